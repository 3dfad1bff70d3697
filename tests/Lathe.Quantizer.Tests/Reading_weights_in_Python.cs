using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.Testing;

namespace Lathe.Quantizer.Tests;

/// <summary>The guide's snippet, run as it stands there: it knows nothing of Lathe but the format.</summary>
public sealed partial class Reading_weights_in_Python
{
    private const string Python = "/usr/bin/python3";

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(8)]
    public void Packed_weights_are_whole_numbers_of_steps_and_the_same_floats(int bits)
    {
        Assert.SkipUnless(
            File.Exists(Python) && Run("import numpy", ".").ExitCode == 0, $"{Python} with numpy is missing; ./test installs it where it may");
        using var trial = new QuantizerTrial(Zoo.Build("lenet5", new TensorShape(1, 28, 28), 10));
        var output = trial.Run(new { bits, method = "naive" }).Output;
        var folder = Directory.CreateTempSubdirectory("lathe-python-").FullName;
        try
        {
            File.Copy(trial.PathOf(output), Path.Combine(folder, "model.safetensors"));
            var snippet = Snippet().Match(File.ReadAllText(Path.Combine(Checkout.Root, "docs", "fixed-point.md"))).Groups[1].Value;
            var (exitCode, text, error) = Run(
                $$"""
                {{snippet}}
                assert formats
                for name in sorted(formats):
                    k = weight(name) * 2.0 ** float(raw(name + ".fraction").view(np.int8)[0])
                    assert (k == np.round(k)).all() and np.abs(k).max() <= 2 ** (formats[name]["bits"] - 1) - 1 and np.abs(k).max() > 0
                    print(name, weight(name).astype("<f4").tobytes().hex())
                """,
                folder);
            Assert.True(exitCode == 0, error);
            using var checkpoint = trial.Read(output);
            var expected = checkpoint.Formats.Keys.Order(StringComparer.Ordinal)
                .Select(name => string.Create(CultureInfo.InvariantCulture, $"{name} {Convert.ToHexStringLower(checkpoint.Tensors[name].bytes)}\n"));
            Assert.Equal(string.Concat(expected), text);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [GeneratedRegex("```python\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Snippet();

    private static (int ExitCode, string Output, string Error) Run(string program, string folder)
    {
        using var process = Process.Start(new ProcessStartInfo(Python, ["-c", program])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
