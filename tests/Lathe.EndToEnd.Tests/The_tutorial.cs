using System.Diagnostics;
using System.IO.Compression;
using System.Text.RegularExpressions;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>
/// Writes the files of docs/tutorial.md and runs its commands in their order, on a part of the data, with the options that the page names for a quick look
/// (one epoch for each stage). It does not run PyTorch: the network is the file that the page offers instead.
/// </summary>
public sealed partial class The_tutorial
{
    private const string Compiler = "/usr/bin/gcc";

    private readonly string _text = File.ReadAllText(Path.Combine(Checkout.Root, "docs", "tutorial.md"));

    [Fact]
    public async Task Takes_a_network_to_C_code_that_answers_like_the_checkpoint()
    {
        Assert.SkipUnless(File.Exists(Compiler), $"{Compiler} is missing; ./test installs it where it may");
        using var scene = new Scene();
        var work = Directory.CreateDirectory(Path.Combine(scene.Root, "my-net")).FullName;
        Compress(Path.Combine(scene.Root, "data"));
        await File.WriteAllTextAsync(Path.Combine(work, "my-net.yaml"), Block("yaml"));

        var digest = "";
        var output = "";
        foreach (var command in Commands())
        {
            if (command.StartsWith("gcc ", StringComparison.Ordinal)) await WriteMainAsync(work);
            var words = command.Replace("~/my-net", work, StringComparison.Ordinal).Replace(SmallFashion.Debian, Path.Combine(scene.Root, "data"), StringComparison.Ordinal);
            if (words.StartsWith("lathe run ", StringComparison.Ordinal)) words += $" {Quick()} --json results.json";
            if (words.StartsWith("lathe export ", StringComparison.Ordinal)) words = words.Replace("DIGEST", digest, StringComparison.Ordinal);
            output = await RunAsync(words, words.StartsWith("cp ", StringComparison.Ordinal) ? Checkout.Root : work, scene);
            if (words.StartsWith("lathe run ", StringComparison.Ordinal)) digest = Quantized(work).Digest;
        }

        Assert.Equal($"{Math.Round(1000 * Quantized(work).Top1)} of 1000 images are classified right\n", output);
        Assert.True(File.Exists(Path.Combine(work, "my-net.html")));
        Assert.True(File.Exists(Path.Combine(work, "net-int8.onnx")));
    }

    /// <summary>The quantized network's digest, and its accuracy in whole numbers.</summary>
    private static (string Digest, double Top1) Quantized(string work)
    {
        var leaf = Scene.ReadResults(Path.Combine(work, "results.json")).Single(l => l.Stages.Any(stage => stage.Stage == "quantize"));
        return (leaf.Stages.Last(stage => stage.Stage == "quantize").Checkpoint!.Sha256[..12], leaf.Stages[^1].Metrics["top1FixedPoint"]);
    }

    /// <summary>The program of the page, with the constants of these images, which the page tells its reader to take from net.h.</summary>
    private async Task WriteMainAsync(string work)
    {
        var constants = Constants().Match(await File.ReadAllTextAsync(Path.Combine(work, "net.h")));
        Assert.True(constants.Success);
        var program = Define("DEVIATION").Replace(Define("MEAN").Replace(Block("c"), "${1}" + constants.Groups[1].Value), "${1}" + constants.Groups[2].Value);
        await File.WriteAllTextAsync(Path.Combine(work, "main.c"), program);

        static Regex Define(string name) => new($@"(#define {name} )[\d.]+");
    }

    /// <summary>Compresses the files, as Debian's package does and the page expects.</summary>
    private static void Compress(string folder)
    {
        foreach (var path in Directory.GetFiles(folder))
        {
            using (var compressed = new GZipStream(File.Create(path + ".gz"), CompressionLevel.Fastest)) compressed.Write(File.ReadAllBytes(path));
            File.Delete(path);
        }
    }

    private static async Task<string> RunAsync(string command, string folder, Scene scene)
    {
        using var process = new Process { StartInfo = Start(command, folder, scene) };
        process.Start();
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        using var limit = new CancellationTokenSource(Scene.Limit);
        await process.WaitForExitAsync(limit.Token);
        Assert.True(process.ExitCode == 0, $"{command} ended with {process.ExitCode}:\n{output}{await errors}");
        return output;
    }

    private static ProcessStartInfo Start(string command, string folder, Scene scene)
    {
        var start = new ProcessStartInfo("/bin/bash", ["-c", command]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in scene.Environment) start.Environment[name] = value;
        LatheProcess.AddTo(start.Environment);
        return start;
    }

    /// <summary>Lines of the page's blocks of commands, comments left out.</summary>
    private IEnumerable<string> Commands() => Blocks("console").SelectMany(block => block.Split('\n', StringSplitOptions.RemoveEmptyEntries)).Select(line => line.Split(" #")[0].Trim());

    /// <summary>The options that the page names for a quick look.</summary>
    private string Quick() => QuickOptions().Match(_text) is { Success: true } match ? match.Groups[1].Value : throw new InvalidOperationException("the page names no options for a quick look");

    private string Block(string language) => Assert.Single(Blocks(language));

    private List<string> Blocks(string language) => [.. Regex.Matches(_text, $"^```{language}\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline).Select(m => m.Groups[1].Value)];

    [GeneratedRegex("`(--set train.epochs=1 [^`]*)`")]
    private static partial Regex QuickOptions();

    [GeneratedRegex(@"minus ([\d.]+), divided by ([\d.]+)")]
    private static partial Regex Constants();
}
