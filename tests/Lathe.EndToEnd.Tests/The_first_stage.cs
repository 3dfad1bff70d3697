using System.Diagnostics;
using System.IO.Compression;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>
/// The commands of docs/first-stage.md, pasted as one block by somebody whose home is empty: packages are packed from what is built here, the stage that the template makes builds,
/// passes its test, and runs in a sweep beside the stages that come with Lathe.
/// </summary>
public sealed class The_first_stage(RabbitMqBroker broker) : IClassFixture<RabbitMqBroker>
{
    /// <summary>What NuGet says where a package source does not answer, or lacks what it should have.</summary>
    private static readonly string[] NothingToRestore = ["NU1301", "NU1100", "NU1101", "NU1102"];

    [Fact]
    public async Task Is_made_tested_and_run_in_a_sweep_by_the_commands_of_its_guide()
    {
        using var scene = new Scene();
        var home = Directory.CreateDirectory(Path.Combine(scene.Root, "user")).FullName;
        var configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        var block = Replaced(
            string.Join('\n', Blocks().SkipLast(1)),
            // What is built already, by the same build as this test.
            ("eng/pack ~/lathe-packages", $"eng/pack ~/lathe-packages -p:Configuration={configuration} -p:NoBuild=true"), ("export PATH=$PWD:$PATH", "#"),
            ("amqp://guest:guest@localhost", broker.Address), ("8081", $"{PrivateServer.FreePort()}"), ("lathe run sweep.yaml", "lathe run sweep.yaml --set train.epochs=1 --json results.json"));

        var (code, output) = await RunAsync(block, scene, home);

        if (code != 0 && NothingToRestore.FirstOrDefault(fault => output.Contains(fault, StringComparison.Ordinal)) is { } fault)
            Assert.Skip($"a package that the stage needs cannot be restored here ({fault}): the machine has no package source, and not every package already");
        Assert.True(code == 0, $"{block}\nended with {code}:\n{output}");
        Assert.Matches(@"succeeded: [1-9]", output);
        var work = Path.Combine(home, "stages", "Acme.Sparsify");
        var leaves = Scene.ReadResults(Path.Combine(work, "results.json"));
        Assert.Equal([0.5, 0.8], leaves.Select(leaf => Math.Round(leaf.Stages.Single(stage => stage.Stage == "sparsify").Metrics["zeros"], 2)).Order());
        Assert.All(leaves, leaf => Assert.Equal(["train", "sparsify", "evaluate"], leaf.Stages.Select(stage => stage.Stage)));
        Assert.Matches(@"way .*\bzeros %", output);
        Assert.Contains("Zeros in each layer", await File.ReadAllTextAsync(Path.Combine(work, "sweep.html")), StringComparison.Ordinal);
        Assert.DoesNotMatch("Sample|sample-|AcmeNamespace|_VERSION", string.Concat(Directory.EnumerateFiles(work, "*", SearchOption.AllDirectories).Where(IsWritten).Select(file => file + File.ReadAllText(file))));
        CheckRepeatedNames(work);
        CheckPackages(Path.Combine(home, "lathe-packages"));
    }

    [Fact]
    public async Task Is_made_and_run_in_Python_by_the_commands_of_its_guide()
    {
        Assert.SkipUnless(
            Directory.Exists("/usr/lib/python3/dist-packages/pika") && Directory.Exists("/usr/lib/python3/dist-packages/numpy"),
            "/usr/bin/python3 with pika and numpy is missing; ./test installs them where it may");
        using var scene = new Scene();
        var home = Directory.CreateDirectory(Path.Combine(scene.Root, "user")).FullName;
        var block = Replaced(
            Blocks().Last(), ("export PATH=$PWD:$PATH PYTHONPATH", "export PYTHONPATH"), ("amqp://guest:guest@localhost", broker.Address),
            ("lathe run sweep.yaml", "lathe run sweep.yaml --set train.epochs=1 --json results.json"));

        var (code, output) = await RunAsync(block, scene, home);

        Assert.True(code == 0, $"{block}\nended with {code}:\n{output}");
        var leaves = Scene.ReadResults(Path.Combine(home, "stages", "scale", "results.json"));
        Assert.Equal(["train", "scale", "evaluate"], leaves[0].Stages.Select(stage => stage.Stage));
        var largest = leaves.Select(leaf => leaf.Stages[1].Metrics["largest"]).Order().ToList();
        Assert.Equal(2, largest[1] / largest[0], 5);
        Assert.Matches(@"way .*\blargest\b", output);
    }

    /// <summary>The README of the package shows the same stage.</summary>
    [Fact]
    public void Is_in_Python_what_the_package_shows() => Assert.Contains(
        Regex.Match(File.ReadAllText(Path.Combine(Checkout.Root, "sdk", "python", "README.md")), "```python\n(.*?)```", RegexOptions.Singleline).Groups[1].Value,
        Blocks().Last(), StringComparison.Ordinal);

    /// <summary>What people find in each package, and what it asks for: no other room of Lathe, and those that it needs in its own version.</summary>
    private static void CheckPackages(string folder)
    {
        string[] libraries = ["Lathe.Contracts", "Lathe.Graph", "Lathe.Hosting", "Lathe.NN"];
        Assert.Equal([.. libraries, "Lathe.Templates"], Directory.GetFiles(folder, "*.nupkg").Select(file => Regex.Match(Path.GetFileName(file), @"^(\D+)\.\d").Groups[1].Value).Order(StringComparer.Ordinal));
        foreach (var library in libraries)
        {
            using var package = ZipFile.OpenRead(Directory.GetFiles(folder, $"{library}.*.nupkg").Single());
            using var symbols = ZipFile.OpenRead(Directory.GetFiles(folder, $"{library}.*.snupkg").Single());
            Assert.NotNull(symbols.GetEntry($"lib/net10.0/{library}.pdb"));
            var files = package.Entries.Select(entry => entry.FullName).ToList();
            Assert.Superset(new HashSet<string> { "README.md", $"lib/net10.0/{library}.dll", $"lib/net10.0/{library}.xml" }, files.ToHashSet());
            Assert.Equal(library == "Lathe.NN", files.Contains("buildTransitive/Lathe.NN.targets"));
            var about = XDocument.Load(package.GetEntry($"{library}.nuspec")!.Open()).Root!.Elements().Single();
            string? Text(string name) => about.Elements().SingleOrDefault(e => e.Name.LocalName == name)?.Value;
            Assert.Equal("Apache-2.0", Text("license"));
            Assert.False(string.IsNullOrWhiteSpace(Text("description")) || string.IsNullOrWhiteSpace(Text("tags")), library);
            if (Path.Exists(Path.Combine(Checkout.Root, ".git")))
                Assert.Matches("^[0-9a-f]{40}$", about.Elements().Single(e => e.Name.LocalName == "repository").Attribute("commit")!.Value);
            var others = about.Descendants().Where(e => e.Name.LocalName == "dependency" && e.Attribute("id")!.Value.StartsWith("Lathe.", StringComparison.Ordinal)).ToList();
            Assert.All(others, e => Assert.Equal((true, Text("version")), (libraries.Contains(e.Attribute("id")!.Value), e.Attribute("version")!.Value)));
        }
    }

    /// <summary>What the manifest for Kubernetes and the Dockerfile repeat of the code.</summary>
    private static void CheckRepeatedNames(string work)
    {
        var version = Regex.Match(File.ReadAllText(Path.Combine(work, "src", "SparsifyStage.cs")), "\"sparsify\", \"(\\w+)\"").Groups[1].Value;
        var manifest = File.ReadAllText(Path.Combine(work, "deploy", "stage.yaml"));
        Assert.Contains($"name: stage-sparsify-{version}\n", manifest, StringComparison.Ordinal);
        Assert.Contains($"queueName: {Contracts.Messages.Queues.Stage("sparsify", version)}\n", manifest, StringComparison.Ordinal);
        Assert.Contains("""ENTRYPOINT ["/app/Acme.Sparsify"]""", File.ReadAllText(Path.Combine(work, "Dockerfile")), StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(work, "src", "bin", "Debug", "net10.0", "Acme.Sparsify")));
    }

    private static bool IsWritten(string file) => !Regex.IsMatch(file, "/(bin|obj|\\.lathe)/|results.json$|\\.html$");

    private static async Task<(int Code, string Output)> RunAsync(string block, Scene scene, string home)
    {
        var start = new ProcessStartInfo("bash", ["-c", $"set -eE\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{block}"])
        {
            WorkingDirectory = Checkout.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        LatheProcess.AddTo(start.Environment);
        foreach (var name in new[] { "LATHE_HOME", "LATHE_STORE", "LATHE_COORDINATOR", "LATHE_DATABASE", "LATHE_HEALTH_PORT" }) start.Environment.Remove(name);
        start.Environment["LATHE_DATA"] = scene.Environment["LATHE_DATA"];
        start.Environment["LATHE_THREADS"] = "1";
        start.Environment["TMPDIR"] = scene.Environment["TMPDIR"];
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1";
        UseEmptyHome(start.Environment, home);
        using var shell = Process.Start(start)!;
        shell.StandardInput.Close();
        var (output, errors) = (shell.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), shell.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        using var limit = new CancellationTokenSource(Scene.Limit);
        try
        {
            await shell.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            shell.Kill(entireProcessTree: true);
        }

        return (shell.ExitCode, $"{await output}\n{await errors}");
    }

    /// <summary>
    /// A home with this user's package sources and nothing else. Packages that this machine has already are read where they lie; those of this build go to the new home, so that none of an
    /// earlier build with the same version takes their place.
    /// </summary>
    private static void UseEmptyHome(IDictionary<string, string?> environment, string home)
    {
        var user = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var sources = Path.Combine(user, ".nuget", "NuGet", "NuGet.Config");
        if (File.Exists(sources))
        {
            Directory.CreateDirectory(Path.Combine(home, ".nuget", "NuGet"));
            File.Copy(sources, Path.Combine(home, ".nuget", "NuGet", "NuGet.Config"));
        }

        environment["HOME"] = home;
        environment.Remove("DOTNET_CLI_HOME");
        environment["NUGET_FALLBACK_PACKAGES"] = Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } set ? set : Path.Combine(user, ".nuget", "packages");
        environment["NUGET_PACKAGES"] = Path.Combine(home, "packages");
        environment["NUGET_HTTP_CACHE_PATH"] = Environment.GetEnvironmentVariable("NUGET_HTTP_CACHE_PATH") is { Length: > 0 } cache ? cache : Path.Combine(user, ".local", "share", "NuGet", "http-cache");
    }

    /// <summary>The guide's blocks of commands, in their order.</summary>
    private static IEnumerable<string> Blocks() =>
        Regex.Matches(File.ReadAllText(Path.Combine(Checkout.Root, "docs", "first-stage.md")), "^```console\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline).Select(m => m.Groups[1].Value);

    private static string Replaced(string block, params (string Shown, string Here)[] replacements)
    {
        foreach (var (shown, here) in replacements)
        {
            Assert.Contains(shown, block, StringComparison.Ordinal);
            block = block.Replace(shown, here, StringComparison.Ordinal);
        }

        return block;
    }
}
