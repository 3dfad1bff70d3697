using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.FixedPoint;
using Lathe.NN.FixedPoint.C;
using Lathe.Testing;

namespace Lathe.NN.Tests.FixedPoint;

/// <summary>The exported C on processors without an operating system: Debian's compiler for ARM, and QEMU's Cortex-M3 board with 4 MB of flash and 4 MB of RAM.</summary>
public sealed partial class CExportOnArm : IDisposable
{
    private const string Compiler = "/usr/bin/arm-none-eabi-gcc";
    private const string Size = "/usr/bin/arm-none-eabi-size";
    private const string Machine = "/usr/bin/qemu-system-arm";

    // One instruction takes a nanosecond there, and a tick of the board's clock is 25 MHz.
    private const int InstructionsPerTick = 40;

    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-arm-").FullName;

    [Theory]
    [InlineData("cortex-m0")]
    [InlineData("cortex-m3")]
    public void It_gives_the_bits_of_the_engine(string processor)
    {
        var missing = ((string[])[Compiler, Size, Machine]).FirstOrDefault(file => !File.Exists(file));
        Assert.SkipUnless(missing is null, $"{missing} is missing; ./test installs it where it may");
        var networks = Enumerable.Range(0, 10).Select(seed => (RandomNetworks.Small.Example(seed), Bits: 2 + (seed % 7)))
            .Append((Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10), 2))
            .Append((Zoo.Build("mobilenetv2@0.25", new TensorShape(3, 32, 32), 10), 4));
        var (calls, head, expected, bytes) = (new StringBuilder(), new StringBuilder(), new StringBuilder(), new List<(string Name, string Network, long Constants, long Workspace)>());
        foreach (var (i, (graph, bits)) in networks.Index())
        {
            using var quantized = QuantizedNetwork.Of(graph, i, bits);
            var network = quantized.Compile();
            var image = quantized.Bytes(network, i).AsSpan(0, network.Tensors[network.Input].Length).ToArray();
            var name = $"net{i}";
            var files = CExport.Write(network, name, "Made by a test.");
            File.WriteAllText(Path.Combine(_folder, files.HeaderName), files.Header);
            File.WriteAllText(Path.Combine(_folder, $"{name}.c"), files.Source);
            bytes.Add((name, $"{graph.Name}, {bits} bits", files.ConstantBytes, files.WorkspaceBytes + image.Length + (sizeof(int) * network.Classes)));
            head.Append(CultureInfo.InvariantCulture, $"#include \"{name}.h\"\nstatic const uint8_t image{i}[] = {{ {string.Join(',', image)} }};\n");
            calls.Append(CultureInfo.InvariantCulture, $"    CALL({name}, image{i}, NET{i}_CLASSES, NET{i}_WORKSPACE_BYTES)\n");
            var logits = new int[network.Classes];
            using var engine = new FixedPointEngine(network);
            engine.Run(image, logits);
            expected.Append(CultureInfo.InvariantCulture, $"{name} {string.Join(' ', logits)}\n");
        }

        File.WriteAllText(Path.Combine(_folder, "main.c"), Program(head.ToString(), calls.ToString()));
        File.WriteAllText(Path.Combine(_folder, "board.ld"), Layout);
        string[] options = [$"-mcpu={processor}", "-mthumb", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-ffunction-sections", "-fdata-sections"];
        foreach (var (name, _, _, _) in bytes) Run(Compiler, [.. options, "-c", $"{name}.c", "-o", $"{name}.o"]);
        Run(Compiler, [.. options, "-nostartfiles", "-Wl,--gc-sections", "-T", "board.ld", "-o", "main.elf", "main.c", .. bytes.Select(file => $"{file.Name}.o")]);
        var output = Run(Machine, ["-M", "mps2-an385", "-cpu", "cortex-m3", "-icount", "shift=0", "-nographic", "-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native", "-kernel", "main.elf"]);
        var ticks = new Dictionary<string, long>();
        var numbers = new StringBuilder();
        foreach (var line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (TickLine().Match(line) is { Success: true } match) ticks.Add(match.Groups[1].Value, long.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture));
            else numbers.Append(line).Append('\n');
        }

        Assert.Equal(expected.ToString(), numbers.ToString());
        foreach (var (name, network, constants, memory) in bytes)
        {
            // Berkeley's form: text, data, bss.
            var sizes = Run(Size, [$"{name}.o"]).Split('\n')[1].Split('\t', StringSplitOptions.TrimEntries).Take(3).Select(number => long.Parse(number, CultureInfo.InvariantCulture)).ToArray();
            Assert.InRange(sizes[0], constants, constants + 20_000);
            // Only constants and code: RAM is what the caller hands over.
            Assert.Equal((0, 0), (sizes[1], sizes[2]));
            TestContext.Current.TestOutputHelper!.WriteLine($"{processor} {network}: flash {sizes[0]} bytes, RAM {memory} bytes without the stack, {ticks[name] * InstructionsPerTick} instructions");
            Assert.True(ticks[name] > 0, name);
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Program(string head, string calls) => $$"""
        #include <stdint.h>
        {{head}}
        extern uint32_t stack_top;
        void reset(void);
        static const struct { uint32_t *stack; void (*start)(void); } vectors __attribute__((section(".vectors"), used)) = { &stack_top, reset };

        static uint32_t host(uint32_t call, const void *argument)
        {
            register uint32_t r0 __asm__("r0") = call;
            register const void *r1 __asm__("r1") = argument;
            __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
            return r0;
        }

        static void text(const char *string) { host(4, string); }

        static void number(int32_t value)
        {
            char digits[12];
            char *at = digits + 11;
            uint32_t rest = value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
            *at = 0;
            do { *--at = (char)('0' + rest % 10); rest /= 10; } while (rest);
            if (value < 0) *--at = '-';
            text(at);
        }

        #define TICK (*(volatile uint32_t *)0xE000E018u)

        #define CALL(net, image, classes, workspace) { \
            static uint8_t work[workspace]; \
            static int32_t logits[classes]; \
            uint32_t from, to; \
            int i; \
            from = TICK; \
            net##_run(image, logits, work); \
            to = TICK; \
            text(#net); \
            for (i = 0; i < classes; i++) { text(" "); number(logits[i]); } \
            text("\n" #net " ticks "); \
            number((int32_t)((from - to) & 0xFFFFFFu)); \
            text("\n"); \
        }

        void reset(void)
        {
            *(volatile uint32_t *)0xE000E014u = 0xFFFFFFu;
            TICK = 0;
            *(volatile uint32_t *)0xE000E010u = 5;
        {{calls}}
            host(0x18, (const void *)0x20026);
            for (;;) { }
        }

        """;

    /// <summary>The board's memory: the vectors first.</summary>
    private const string Layout = """
        MEMORY { flash (rx) : ORIGIN = 0x00000000, LENGTH = 4M  ram (rwx) : ORIGIN = 0x20000000, LENGTH = 4M }
        SECTIONS
        {
            .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) } > flash
            .ARM.exidx : { *(.ARM.exidx*) } > flash
            .data : { *(.data*) } > ram
            .bss (NOLOAD) : { *(.bss*) *(COMMON) } > ram
            stack_top = ORIGIN(ram) + LENGTH(ram);
        }
        ENTRY(reset)
        """;

    [GeneratedRegex(@"^(net\d+) ticks (\d+)$")]
    private static partial Regex TickLine();

    private string Run(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = _folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(3)))
        {
            process.Kill();
            Assert.Fail($"{program} does not end: {output.Result}");
        }

        Assert.True(process.ExitCode == 0, $"{program}: {error.Result}");
        // QEMU writes what the program says to either.
        return program == Machine ? error.Result + output.Result : output.Result;
    }
}
