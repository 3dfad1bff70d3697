using System.Diagnostics;
using System.Globalization;
using System.Text;
using Lathe.Contracts;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.FixedPoint;
using Lathe.NN.FixedPoint.C;
using Lathe.Testing;

namespace Lathe.NN.Tests.FixedPoint;

[Trait("oneDNN", "on and off")]
public sealed class CExportTests : IDisposable
{
    private const string Compiler = "/usr/bin/gcc";

    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-c-").FullName;

    /// <summary>All in one program, which is compiled with every warning an error and with checks of memory and of undefined behaviour.</summary>
    [Fact]
    public void Compiled_it_gives_the_bits_of_the_engine()
    {
        Assert.SkipUnless(File.Exists(Compiler), $"{Compiler} is missing; ./test installs it where it may");
        var networks = Enumerable.Range(0, 40).Select(seed => (RandomNetworks.Small.Example(seed), Bits: 2 + (seed % 7)))
            .Append((Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10), 2))
            .Append((Zoo.Build("resnet20@0.5", new TensorShape(3, 32, 32), 10), 2))
            .Append((Zoo.Build("mobilenetv2@0.25", new TensorShape(3, 32, 32), 10), 4));
        var (calls, includes, images, expected) = (new StringBuilder(), new StringBuilder(), new List<byte>(), new StringBuilder());
        foreach (var (i, (graph, bits)) in networks.Index())
        {
            using var quantized = QuantizedNetwork.Of(graph, i, bits);
            var network = quantized.Compile();
            var length = network.Tensors[network.Input].Length;
            var image = quantized.Bytes(network, i).AsSpan(0, length);
            var name = $"net{i}";
            Write(CExport.Write(network, name, "Made by a test."), name);
            includes.Append(CultureInfo.InvariantCulture, $"#include \"{name}.h\"\n");
            calls.Append(CultureInfo.InvariantCulture, $"    CALL({name}, NET{i}_INPUT_BYTES, NET{i}_CLASSES, NET{i}_WORKSPACE_BYTES)\n");
            images.AddRange(image);
            var logits = new int[network.Classes];
            using var engine = new FixedPointEngine(network);
            engine.Run(image, logits);
            expected.Append(CultureInfo.InvariantCulture, $"{name} {string.Join(' ', logits)}\n");
        }

        File.WriteAllText(Path.Combine(_folder, "main.c"), $$"""
            #include <stdio.h>
            {{includes}}
            #define CALL(net, input, classes, workspace) { \
                static uint8_t image[input], work[workspace]; \
                static int32_t logits[classes]; \
                int i; \
                if (fread(image, 1, input, stdin) != input) return 1; \
                net##_run(image, logits, work); \
                printf(#net); \
                for (i = 0; i < classes; i++) printf(" %ld", (long)logits[i]); \
                printf("\n"); \
            }
            int main(void)
            {
            {{calls}}
                return 0;
            }
            """);
        var sources = Directory.GetFiles(_folder, "*.c").Select(Path.GetFileName);
        Run(Compiler, [], ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover", "-o", "main", .. sources!]);
        Assert.Equal(expected.ToString(), Run(Path.Combine(_folder, "main"), [.. images], []));
    }

    [Fact]
    public void The_same_network_gives_the_same_text()
    {
        using var quantized = QuantizedNetwork.Of(RandomNetworks.Small.Example(3), 3, 2);
        Assert.Equal(CExport.Write(quantized.Compile(), "net", "x"), CExport.Write(quantized.Compile(), "net", "x"));
    }

    [Theory]
    [InlineData("My Net-2.c", "my_net_2")]
    [InlineData("2bit.c", "net_2bit")]
    [InlineData("/tmp/lenet5.h", "lenet5")]
    [InlineData("é.c", "net")]
    [InlineData("_x_.c", "x")]
    public void File_names_become_identifiers(string file, string expected) => Assert.Equal(expected, CExport.NameFrom(file));

    [Fact]
    public void A_name_that_is_no_identifier_is_refused()
    {
        using var quantized = QuantizedNetwork.Of(RandomNetworks.Small.Example(3), 3, 2);
        Assert.Throws<LatheException>(() => CExport.Write(quantized.Compile(), "a b", "x"));
    }

    [Fact]
    public void The_header_has_the_name_it_is_given_and_none_of_C_s_own()
    {
        using var quantized = QuantizedNetwork.Of(RandomNetworks.Small.Example(3), 3, 2);
        var network = quantized.Compile();
        var files = CExport.Write(network, "my_net", "x", "my-net.h");
        Assert.Equal("my-net.h", files.HeaderName);
        Assert.Contains("#include \"my-net.h\"", files.Source, StringComparison.Ordinal);
        Assert.Contains("stdint.h is the name of a header of C's own", Assert.Throws<LatheException>(() => CExport.Write(network, "stdint", "x", "stdint.h")).Message, StringComparison.Ordinal);
        Assert.Throws<LatheException>(() => CExport.Write(network, "a", "x", "a\"b.h"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private void Write(CFiles files, string name)
    {
        File.WriteAllText(Path.Combine(_folder, files.HeaderName), files.Header);
        File.WriteAllText(Path.Combine(_folder, $"{name}.c"), files.Source);
    }

    private string Run(string program, byte[] input, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = _folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        process.StandardInput.BaseStream.Write(input);
        process.StandardInput.Close();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program}: {error.Result}");
        return output.Result;
    }
}
