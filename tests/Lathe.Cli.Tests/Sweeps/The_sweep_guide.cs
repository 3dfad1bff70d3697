using System.Globalization;
using System.Text;
using System.Text.Json;
using Lathe.Cli.Embedded;
using Lathe.Cli.Sweeps;
using Lathe.Contracts;
using Lathe.Testing;

namespace Lathe.Cli.Tests.Sweeps;

/// <summary>docs/sweeps.md shows every parameter of every stage as the code has it.</summary>
public sealed class The_sweep_guide
{
    private const string Start = "<!-- from the stages' schemas -->\n";

    private static string Guide => Path.Combine(Checkout.Root, "docs", "sweeps.md");

    [Fact]
    public void Lists_every_parameter_with_its_default()
    {
        var text = File.ReadAllText(Guide);
        var start = text.IndexOf(Start, StringComparison.Ordinal) + Start.Length;
        Assert.True(start >= Start.Length, $"{Guide} has no line {Start}");
        var expected = Tables();
        if (Environment.GetEnvironmentVariable("LATHE_RENEW_GUIDE") == "1")
        {
            File.WriteAllText(Guide, text[..start] + expected);
            return;
        }

        var actual = text[start..];
        Assert.True(expected == actual, $"after the line {Start.Trim()} {Guide} should be:\n{expected}");
    }

    [Fact]
    public void Shows_a_sweep_that_can_be_planned()
    {
        var yaml = File.ReadAllText(Guide).Split("```yaml\n")[1].Split("```")[0];
        var plan = Beforehand.Plan(SweepFile.Parse("guide.yaml", yaml, []));
        Assert.Equal(4, plan.Executions.Count(e => e.Manifest.Name == "evaluate"));
    }

    private static string Tables()
    {
        var text = new StringBuilder();
        foreach (var manifest in BuiltInStages.ByName.Values.Select(s => s.Manifest))
        {
            text.Append(CultureInfo.InvariantCulture, $"\n### {manifest.Name}\n\n{manifest.Summary}.\n\n");
            var properties = manifest.ParametersSchema!.Value.GetProperty("properties").EnumerateObject().ToList();
            // The model is the sweep's own key.
            properties.RemoveAll(p => p.Name == "model");
            text.Append("| parameter | value | default | |\n|---|---|---|---|\n");
            foreach (var property in properties)
                text.Append(CultureInfo.InvariantCulture, $"| `{property.Name}` | {Values(property.Value)} | {Default(property.Value)} | {property.Value.GetProperty("description").GetString()} |\n");
        }

        return text.ToString();
    }

    private static string Values(JsonElement schema)
    {
        if (schema.TryGetProperty("enum", out var choices)) return string.Join(", ", choices.EnumerateArray().Select(c => $"`{c}`"));
        var kind = Types(schema) switch
        {
            var types when types.Contains("integer") => "whole number",
            var types when types.Contains("number") => "number",
            var types when types.Contains("boolean") => "`true`, `false`",
            _ => "text",
        };
        return kind
            + Limit(schema, "minimum", "from") + Limit(schema, "exclusiveMinimum", "above")
            + Limit(schema, "maximum", "to") + Limit(schema, "exclusiveMaximum", "below")
            + (kind == "number" && Types(schema).Contains("string") ? $", or text such as `{schema.GetProperty("examples")[0].GetString()}`" : "");
    }

    private static List<string?> Types(JsonElement schema) => !schema.TryGetProperty("type", out var type) ? []
        : type.ValueKind == JsonValueKind.Array ? [.. type.EnumerateArray().Select(t => t.GetString())]
        : [type.GetString()];

    private static string Limit(JsonElement schema, string name, string word) =>
        schema.TryGetProperty(name, out var limit) ? $" {word} {limit.GetDouble().ToString(CultureInfo.InvariantCulture)}" : "";

    private static string Default(JsonElement schema) => schema.GetProperty("default") switch
    {
        { ValueKind: JsonValueKind.Null } => "none",
        { ValueKind: JsonValueKind.String } text when text.GetString()!.Length == 0 => "empty",
        { ValueKind: JsonValueKind.String } text => $"`{text.GetString()}`",
        var value => $"`{value.GetRawText()}`",
    };
}
