using System.Text.RegularExpressions;

namespace Lathe.Architecture.Tests;

/// <summary>Nobody knows a stage but the stage itself and the list of those that come with Lathe.</summary>
public sealed partial class Knowing_no_stage
{
    private static readonly string[] Stages = ["trainer", "pruner", "quantizer", "evaluator"];

    // The list itself.
    private const string BuiltIn = "cli/Embedded/BuiltInStages.cs";

    public static TheoryData<string> Sources =>
    [
        .. new[] { "contracts", "graph", "nn", "hosting", "conformance", "exports", "reports", "services", "cli" }
            .SelectMany(room => Directory.EnumerateFiles(Path.Combine(Repository.Root, room), "*.cs", SearchOption.AllDirectories))
            .Select(file => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/'))
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal)),
    ];

    [Fact]
    public void Is_true_of_every_source_file()
    {
        var others = Sources.Select(source => source.Data)
            .Where(file => file != BuiltIn && !Array.Exists(Stages, stage => file.StartsWith($"services/{stage}/", StringComparison.Ordinal)));
        Assert.DoesNotContain(others, file => Knows(File.ReadAllText(Path.Combine(Repository.Root, file))));
    }

    [Theory]
    [InlineData("using Lathe.Pruner.Budget;", true)]
    [InlineData("var x = Lathe.Quantizer.QuantizeMethod.Sgm;", true)]
    [InlineData("if (stage.Name == \"evaluate\")", true)]
    [InlineData("/// <c>train: { init: ... }</c>, as \"prune\" does", false)]
    [InlineData("Path.Combine(folder, \"train\")", false)]
    public void Is_recognized_by_namespaces_and_names(string source, bool isKnown) => Assert.Equal(isKnown, Knows(source));

    private static bool Knows(string source)
    {
        var code = Comment().Replace(source, "");
        return StageNamespace().IsMatch(code) || ComparedName().IsMatch(code);
    }

    [GeneratedRegex(@"//.*")]
    private static partial Regex Comment();

    [GeneratedRegex(@"\bLathe\.(Trainer|Pruner|Quantizer|Evaluator)\b")]
    private static partial Regex StageNamespace();

    /// <summary>A name that something is compared with or looked up by; folders of images are called train as well.</summary>
    [GeneratedRegex("""(==|!=|\bis|\bnot|\bor|\bcase|=>)\s*"(train|prune|quantize|evaluate)"|"(prune|quantize|evaluate)"\s*(=>|\]|==)""")]
    private static partial Regex ComparedName();
}
