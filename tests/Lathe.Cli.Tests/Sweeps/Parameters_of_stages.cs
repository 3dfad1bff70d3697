using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Cli.Embedded;
using Lathe.Contracts;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.Cli.Tests.Sweeps;

/// <summary>
/// The parameters of the stages that train, to the byte, as files beside this test have them. A checkpoint's lineage holds all parameters in
/// the schema's order, so that another order or default would change the digest of every checkpoint.
/// </summary>
public sealed class Parameters_of_stages
{
    [Theory]
    [InlineData("train", """{"model":"lenet5"}""")]
    [InlineData("prune", "{}")]
    [InlineData("quantize", "{}")]
    public void Schema_and_defaults_are_what_they_were(string stage, string given)
    {
        var schema = BuiltInStages.Manifests[stage].ParametersSchema!.Value;
        var defaults = ParametersSchema.WithDefaults(schema, JsonElement.Parse(given));
        var text = JsonSerializer.Serialize(
            new JsonObject
            {
                ["defaults"] = JsonSerializer.SerializeToNode(defaults),
                ["schema"] = JsonSerializer.SerializeToNode(schema),
            },
            LatheJson.Indented) + "\n";
        var expected = Path.Combine(Checkout.Root, "tests", "Lathe.Cli.Tests", "Sweeps", "parameters", stage + ".json");
        if (Environment.GetEnvironmentVariable("LATHE_RENEW_SCHEMA") == "1") File.WriteAllText(expected, text);
        Assert.True(File.ReadAllText(expected) == text, $"{expected} should be:\n{text}");
    }
}
