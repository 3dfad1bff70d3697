using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Lathe.Contracts;
using Lathe.NN.Runtime;

namespace Lathe.NN.Tests.Runtime;

/// <summary>
/// Runs this test program as a process of its own on a machine that seems to hide its caches: oneDNN's function for the size of a cache is
/// overwritten, in that process's memory, by one that answers 1 byte, or NNPACK's start by one that answers "unsupported hardware", as they do on
/// such machines.
/// </summary>
internal static partial class HiddenCaches
{
    private const string Scene = "LATHE_TEST_SCENE";
    private const string Hidden = "hidden";
    private const string Wrong = "wrong";
    private const string WithoutNnpack = "nnpack";
    private const string CacheSize = "_ZN4dnnl4impl3cpu8platform23get_per_core_cache_sizeEi";
    private const string StartOfNnpack = "nnp_initialize";
    private const byte UnsupportedHardware = 51;
    private const string Anchor = "_ZN2at13globalContextEv";

    /// <summary>What the process printed, a line each, in the scene of hidden caches.</summary>
    public static Task<string[]> PlayHidden(string? oneDnn = null) => Play(Hidden, oneDnn);

    /// <summary>The same where every convolution is a little wrong, by whatever library.</summary>
    public static Task<string[]> PlayWrong() => Play(Wrong, null);

    /// <summary>What the process printed, errors too, while it convolved single images where NNPACK cannot run.</summary>
    public static Task<string[]> PlayWithoutNnpack() => Play(WithoutNnpack, "off");

    private static async Task<string[]> Play(string scene, string? oneDnn)
    {
        var start = new ProcessStartInfo("dotnet", [Assembly.GetExecutingAssembly().Location])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { [Scene] = scene },
        };
        start.Environment[OneDnn.Variable] = oneDnn;
        using var process = Process.Start(start)!;
        var output = await Task.WhenAll(
            process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken),
            process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, string.Concat(output));
        return string.Concat(output).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

#pragma warning disable CA2255 // The scene has to be played before the test runner starts.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void PlayScene()
    {
        if (Environment.GetEnvironmentVariable(Scene) is not { Length: > 0 } scene)
            return;
        Libtorch.EnsureLoaded();
        if (scene == Wrong)
            ComputeWrongly();
        else if (scene == WithoutNnpack ? !Answer(StartOfNnpack, UnsupportedHardware) : OneDnn.State.IsOn && !Answer(CacheSize, 1))
            Environment.Exit(0);
        if (scene == WithoutNnpack)
            ConvolveOneImage();
        else
            Report();
        Environment.Exit(0);
    }

    private static void ComputeWrongly() => ArithmeticCheck.Compute = c =>
    {
        var sums = ArithmeticCheck.ByLibtorch(c);
        sums.Output[^1] *= 1.5;
        return sums;
    };

    private static void ConvolveOneImage()
    {
        TorchRuntime.Configure(1);
        using var image = TorchSharp.torch.ones(1, 3, 8, 8);
        using var weight = TorchSharp.torch.ones(4, 3, 3, 3);
        using var output = TorchSharp.torch.nn.functional.conv2d(image, weight);
        Console.WriteLine($"{output.shape[1]} channels");
    }

    private static void Report()
    {
        try
        {
            TorchRuntime.Configure(2);
            Console.WriteLine(OneDnn.State.IsOn ? "on" : "off");
            Console.WriteLine(OneDnn.State.Why);
            var setup = ComputeSetup.Of(2, new ComputeDevice(DeviceKind.Cpu), PrecisionChoice.Auto);
            Console.WriteLine($"{setup.Precision} {setup.Versions()["onednn"]}");
            Console.WriteLine(setup.Warning ?? "no warning");
            Console.WriteLine(ComputeSetup.Of(2, new ComputeDevice(DeviceKind.Cpu)).Warning ?? "no second warning");
            Console.WriteLine(ArithmeticCheck.FindFault(ArithmeticCheck.Cases(Precision.Float32)) ?? "right");
        }
        catch (LatheException refusal)
        {
            Console.WriteLine("refused");
            Console.WriteLine(refusal.Message);
            try
            {
                TorchRuntime.Configure(1);
            }
            catch (LatheException again)
            {
                Console.WriteLine(again.Message == refusal.Message ? "refused again" : again.Message);
            }
        }
    }

    /// <summary>
    /// Makes a function of libtorch answer a small number at once. False, and a line that says why, where this libtorch or this system does not
    /// let it be done.
    /// </summary>
    private static unsafe bool Answer(string function, byte number)
    {
        var file = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libtorch_cpu.so");
        var symbols = Symbols(file, Anchor, function);
        if (!symbols.TryGetValue(function, out var place) || !symbols.TryGetValue(Anchor, out var anchor))
        {
            Console.WriteLine($"cannot: this libtorch_cpu.so does not name {function}");
            return false;
        }

        var code = (byte*)(NativeLibrary.GetExport(NativeLibrary.Load(file), Anchor) + (nint)(place - anchor));
        var page = (nint)code & ~(nint)(Environment.SystemPageSize - 1);
        const int ReadWriteExecute = 7;
        if (mprotect(page, 2 * Environment.SystemPageSize, ReadWriteExecute) != 0)
        {
            Console.WriteLine("cannot: this system does not let code be overwritten");
            return false;
        }

        // mov eax, number; ret
        ((ReadOnlySpan<byte>)[0xB8, number, 0, 0, 0, 0xC3]).CopyTo(new Span<byte>(code, 6));
        return true;
    }

    /// <summary>Addresses of symbols by an ELF file's .symtab, which has local functions too.</summary>
    private static Dictionary<string, ulong> Symbols(string file, params string[] names)
    {
        const int SectionHeader = 64, SymbolEntry = 24, SymbolTable = 2;
        using var elf = File.OpenHandle(file);
        var header = Read(elf, 0, 64);
        var sections = Read(elf, BitConverter.ToInt64(header, 0x28), BitConverter.ToUInt16(header, 0x3C) * SectionHeader);
        var found = new Dictionary<string, ulong>();
        for (var at = 0; at < sections.Length; at += SectionHeader)
        {
            if (BitConverter.ToInt32(sections, at + 4) != SymbolTable)
                continue;
            var strings = BitConverter.ToInt32(sections, at + 0x28) * SectionHeader;
            var text = Read(elf, BitConverter.ToInt64(sections, strings + 0x18), (int)BitConverter.ToInt64(sections, strings + 0x20));
            var table = Read(elf, BitConverter.ToInt64(sections, at + 0x18), (int)BitConverter.ToInt64(sections, at + 0x20));
            // A name may lie at the end of a longer one, so each symbol's is looked at.
            var wanted = names.Select(name => (Name: name, Bytes: Encoding.ASCII.GetBytes($"{name}\0"))).ToList();
            for (var entry = 0; entry < table.Length; entry += SymbolEntry)
            {
                var named = text.AsSpan((int)BitConverter.ToUInt32(table, entry));
                foreach (var (name, bytes) in wanted)
                {
                    if (named.StartsWith(bytes))
                        found[name] = BitConverter.ToUInt64(table, entry + 8);
                }
            }
        }

        return found;
    }

    private static byte[] Read(Microsoft.Win32.SafeHandles.SafeFileHandle file, long at, int count)
    {
        var bytes = new byte[count];
        RandomAccess.Read(file, bytes, at);
        return bytes;
    }

    [LibraryImport("libc")]
    private static partial int mprotect(nint address, nint length, int protection);
}
