using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>Every command that the README shows, run in its order on a part of the data with one epoch for each stage.</summary>
public sealed class The_README
{
    private static readonly string[] OneEpoch = ["--set", "train.epochs=1", "--set", "prune.epochs=1", "--set", "quantize.epochs=1"];

    [Fact]
    public async Task Shows_commands_that_work()
    {
        using var scene = new Scene();
        var commands = Commands();
        Assert.Contains(commands, command => command.StartsWith("./lathe run ", StringComparison.Ordinal));
        foreach (var command in commands)
        {
            var words = command.Split(' ');
            if (words[0] == "./test")
            {
                // This very test is part of what it runs.
                Assert.True(File.Exists(Path.Combine(Checkout.Root, "test")));
                continue;
            }

            Assert.Equal("./lathe", words[0]);
            string[] arguments = [.. words[1..].Select(word => word.StartsWith("examples/", StringComparison.Ordinal) ? Path.Combine(Checkout.Root, word) : word)];
            if (arguments[0] == "run") arguments = [.. arguments, .. OneEpoch];
            if (arguments[0] == "report") arguments = [.. arguments, "--out", Path.Combine(scene.Root, "report.html")];
            var (code, output) = await LatheProcess.RunAsync("lathe", arguments, scene.Environment, Scene.Limit);
            Assert.True(code == 0, $"{command} ended with {code}:\n{output}");
            Assert.NotEmpty(output);
        }
    }

    private static List<string> Commands()
    {
        var commands = new List<string>();
        var inside = false;
        foreach (var line in File.ReadLines(Path.Combine(Checkout.Root, "README.md")))
        {
            if (line.StartsWith("```", StringComparison.Ordinal)) inside = line == "```console";
            else if (inside && line.StartsWith("./", StringComparison.Ordinal)) commands.Add(line);
        }

        return commands;
    }
}
