namespace Lathe.Architecture.Tests;

/// <summary>The arrows of docs/architecture.md. A new project has to be given its place here.</summary>
public sealed class DependencyArrows
{
    private static readonly string[] StageServices = ["Lathe.Trainer", "Lathe.Pruner", "Lathe.Quantizer", "Lathe.Evaluator"];

    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Lathe.Contracts"] = [],
        ["Lathe.Graph"] = ["Lathe.Contracts"],
        ["Lathe.NN"] = ["Lathe.Contracts", "Lathe.Graph"],
        ["Lathe.Hosting"] = ["Lathe.Contracts"],
        ["Lathe.Reports"] = ["Lathe.Contracts"],
        ["Lathe.Exports"] = ["Lathe.Contracts", "Lathe.Graph", "Lathe.NN", "Lathe.Hosting", "Lathe.Reports"],
        ["Lathe.Trainer"] = ["Lathe.Contracts", "Lathe.Graph", "Lathe.NN", "Lathe.Hosting", "Lathe.Exports"],
        ["Lathe.Pruner"] = ["Lathe.Contracts", "Lathe.Graph", "Lathe.NN", "Lathe.Hosting", "Lathe.Exports"],
        ["Lathe.Quantizer"] = ["Lathe.Contracts", "Lathe.Graph", "Lathe.NN", "Lathe.Hosting", "Lathe.Exports"],
        ["Lathe.Evaluator"] = ["Lathe.Contracts", "Lathe.Graph", "Lathe.NN", "Lathe.Hosting", "Lathe.Exports"],
        ["Lathe.Web"] = [],
        ["Lathe.Conformance"] = ["Lathe.Contracts", "Lathe.Graph", "Lathe.Hosting"],
        ["Lathe.Coordinator"] = ["Lathe.Contracts", "Lathe.Graph", "Lathe.Hosting", "Lathe.Reports", "Lathe.Web"],
        ["Lathe.Cli"] = ["Lathe.Contracts", "Lathe.Graph", "Lathe.NN", "Lathe.Hosting", "Lathe.Conformance", "Lathe.Exports", "Lathe.Reports", .. StageServices, "Lathe.Coordinator"],
    };

    public static TheoryData<string> Projects => [.. Repository.Rooms.Keys.Order()];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_room_references_only_the_rooms_it_may(string project)
    {
        Assert.True(Allowed.ContainsKey(project), $"{project} is not in the table of arrows: give it a place there and in docs/architecture.md");
        Assert.Empty(Repository.ProjectReferences(project).Except(Allowed[project]));
    }

    [Fact]
    public void Contracts_reference_no_package_but_an_analyzer() =>
        Assert.Equal(["Microsoft.CodeAnalysis.PublicApiAnalyzers"], Repository.Packages("Lathe.Contracts"));

    [Theory]
    [InlineData("Lathe.Contracts")]
    [InlineData("Lathe.Graph")]
    [InlineData("Lathe.Hosting")]
    [InlineData("Lathe.Conformance")]
    [InlineData("Lathe.Reports")]
    [InlineData("Lathe.Coordinator")]
    public void Libtorch_stays_out_of(string project) =>
        Assert.DoesNotContain(Repository.Packages(project), package => package.Contains("torch", StringComparison.OrdinalIgnoreCase));

    [Theory]
    [InlineData("reports")]
    [InlineData("cli/Output")]
    public void What_shows_results_knows_no_stage_and_no_metric_by_name(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories))
            Assert.DoesNotMatch("\"(top1\\w*|top5|train|prune|quantize|evaluate)\"", File.ReadAllText(file));
    }

    [Fact]
    public void The_network_as_data_is_compiled_without_TorchSharp() =>
        Assert.DoesNotContain(Repository.AssemblyReferences("Lathe.Graph"), name => name.Contains("torch", StringComparison.OrdinalIgnoreCase));

    [Fact]
    public void The_coordinator_is_delivered_without_libtorch()
    {
        var files = Repository.OutputFiles("Lathe.Coordinator");
        Assert.Contains("Lathe.Coordinator.dll", files);
        Assert.DoesNotContain(files, name => name.Contains("torch", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void The_network_engine_knows_no_bus_and_no_bucket() =>
        Assert.DoesNotContain(
            Repository.Packages("Lathe.NN"),
            package => package.StartsWith("MassTransit", StringComparison.OrdinalIgnoreCase)
                || package.StartsWith("RabbitMQ", StringComparison.OrdinalIgnoreCase)
                || package.StartsWith("AWSSDK", StringComparison.OrdinalIgnoreCase));

    [Theory]
    [MemberData(nameof(Projects))]
    public void Every_package_version_is_pinned_centrally(string project)
    {
        var text = File.ReadAllText(Repository.Rooms[project]);
        Assert.DoesNotMatch("PackageReference [^>]*Version=", text);
    }
}
