using System.Diagnostics;
using System.Text.Json;

namespace Lathe.EndToEnd.Tests;

/// <summary>A network of 2-bit weights and 8-bit activations is exported in every form, on real images, and runs elsewhere.</summary>
public sealed class Taking_a_network_away
{
    private const string Compiler = "/usr/bin/gcc";

    [Fact]
    public async Task As_ONNX_as_C_and_as_safetensors()
    {
        using var scene = new Scene();
        var (_, leaves) = await scene.RunEmbeddedAsync("--set", "quantize.activations=8", "--set", "evaluate.latency=true");
        var stages = Assert.Single(leaves).Stages;
        var digest = stages.Single(stage => stage.Stage == "quantize").Checkpoint!.Sha256[..12];
        var dense = stages.Single(stage => stage.Stage == "train").Checkpoint!.Sha256[..12];

        var written = await ExportAsync(scene, digest, "onnx", "net.onnx");
        Assert.Contains("top-1 is the same for 1000", written, StringComparison.Ordinal);
        Assert.Contains("test images of fashion-mnist", written, StringComparison.Ordinal);
        Assert.Contains("agrees with the checkpoint: on 1000 test images of fashion-mnist", await ExportAsync(scene, digest, "onnx-qdq", "int8.onnx"), StringComparison.Ordinal);
        await ExportAsync(scene, digest, "onnx-qdq", "int2.onnx", "--weights", "int2");
        Assert.InRange(Bytes(scene, "int2.onnx"), 1, Bytes(scene, "int8.onnx") / 2);
        Assert.InRange(Bytes(scene, "int8.onnx"), 1, Bytes(scene, "net.onnx") / 2);
        Assert.Contains("to the bit", await ExportAsync(scene, digest, "safetensors", "net.safetensors"), StringComparison.Ordinal);
        Assert.Contains("in C99", await ExportAsync(scene, digest, null, "net.c"), StringComparison.Ordinal);
        await CompileAsync(scene);

        await FloatsAreRefusedAsync(scene, dense);
        await TimesStandBesideTheDenseNetworksAsync(scene, digest);
    }

    private static async Task<string> ExportAsync(Scene scene, string digest, string? format, string file, params string[] options)
    {
        var path = Path.Combine(scene.Root, file);
        var (code, output) = await LatheProcess.RunAsync("lathe", ["export", digest, .. format is null ? (string[])[] : ["--format", format], "--out", path, .. options], scene.Environment, Scene.Limit);
        Assert.True(code == 0, output);
        Assert.True(File.Exists(path), output);
        return output;
    }

    private static async Task CompileAsync(Scene scene)
    {
        Assert.SkipUnless(File.Exists(Compiler), $"there is no {Compiler}: install the package gcc");
        var main = Path.Combine(scene.Root, "main.c");
        await File.WriteAllTextAsync(main, """
            #include <stdio.h>
            #include "net.h"
            static uint8_t image[NET_INPUT_BYTES], workspace[NET_WORKSPACE_BYTES];
            static int32_t logits[NET_CLASSES];
            int main(void)
            {
                net_run(image, logits, workspace);
                printf("%d classes\n", NET_CLASSES);
                return 0;
            }
            """);
        var program = Path.Combine(scene.Root, "net");
        Assert.Equal("", await RunAsync(Compiler, "-std=c99", "-Wall", "-Wextra", "-Werror", "-o", program, main, Path.Combine(scene.Root, "net.c")));
        Assert.Equal("10 classes\n", await RunAsync(program));
    }

    private static async Task FloatsAreRefusedAsync(Scene scene, string dense)
    {
        foreach (var (format, file) in ((string, string)[])[("c", "dense.c"), ("onnx-qdq", "dense.onnx")])
        {
            var path = Path.Combine(scene.Root, file);
            var (code, output) = await LatheProcess.RunAsync("lathe", ["export", dense, "--format", format, "--out", path], scene.Environment, Scene.Limit);
            Assert.Equal(2, code);
            Assert.Contains("quantize", output, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
            Assert.False(File.Exists(path));
        }
    }

    private static async Task TimesStandBesideTheDenseNetworksAsync(Scene scene, string digest)
    {
        var file = Path.Combine(scene.Root, "results.json");
        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(file));
        var metrics = json.RootElement[0].GetProperty("stages").EnumerateArray().Last().GetProperty("metrics");
        foreach (var way in (string[])["", "Dense", "Int8", "FixedPoint"])
        {
            var (low, median, high) = (Metric($"latency32{way}Low"), Metric($"latency32{way}"), Metric($"latency32{way}High"));
            Assert.True(low > 0 && low <= median && median <= high, $"{way}: {low} {median} {high}");
        }

        Assert.Equal(Metric("latency1Dense") / Metric("latency1"), Metric("speedup1"), 1e-9);
        var (code, output) = await LatheProcess.RunAsync("lathe", ["evaluate", digest, "--latency"], scene.Environment, Scene.Limit);
        Assert.True(code == 0, output);
        Assert.Contains("this, Lathe's fixed-point engine", output, StringComparison.Ordinal);

        double Metric(string name) => metrics.GetProperty(name).GetDouble();
    }

    private static long Bytes(Scene scene, string file) => new FileInfo(Path.Combine(scene.Root, file)).Length;

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await errors);
        return output;
    }
}
