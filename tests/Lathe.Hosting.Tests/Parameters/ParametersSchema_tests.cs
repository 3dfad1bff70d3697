using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;

namespace Lathe.Hosting.Tests;

public enum Finish
{
    Exact,
    BestEffort,
}

public sealed record ToyParameters(
    [property: Description("Share of the multiplications to keep.")]
    [property: Range(0.0, 1.0, MinimumIsExclusive = true)]
    double Multiplications,
    [Range(1, 1000)] int Epochs = 10,
    Finish Finish = Finish.BestEffort,
    [AllowedValues("cosine", "step")] string Schedule = "cosine",
    bool Augment = true,
    double? Momentum = null)
{
    [Range(0.0, double.MaxValue)]
    public double WeightDecay { get; init; } = 5e-4;

    [Range(0.0, double.MaxValue, MinimumIsExclusive = true)]
    public double? Target { get; init; }
}

public sealed class ParametersSchemaTests
{
    private static readonly JsonElement Schema = ParametersSchema.For<ToyParameters>();

    private static JsonElement Json(string text) => JsonElement.Parse(text);

    private static (string Path, string Message) OnlyProblem(string parameters)
    {
        var (pointer, message) = Assert.Single(ParametersSchema.Validate(Schema, Json(parameters)));
        return (pointer, message);
    }

    [Fact]
    public void A_record_with_constructor_and_init_properties_becomes_a_closed_schema_with_defaults()
    {
        Assert.False(Schema.GetProperty("additionalProperties").GetBoolean());
        Assert.Equal("multiplications", Assert.Single(Schema.GetProperty("required").EnumerateArray()).GetString());
        var properties = Schema.GetProperty("properties");
        Assert.Equal(10, properties.GetProperty("epochs").GetProperty("default").GetInt32());
        Assert.Equal("bestEffort", properties.GetProperty("finish").GetProperty("default").GetString());
        Assert.Equal(5e-4, properties.GetProperty("weightDecay").GetProperty("default").GetDouble());
        Assert.Equal(JsonValueKind.Null, properties.GetProperty("momentum").GetProperty("default").ValueKind);
        Assert.Equal(0, properties.GetProperty("multiplications").GetProperty("exclusiveMinimum").GetDouble());
        Assert.Equal("Share of the multiplications to keep.", properties.GetProperty("multiplications").GetProperty("description").GetString());
        Assert.False(properties.GetProperty("multiplications").TryGetProperty("default", out _));
    }

    [Fact]
    public void Good_parameters_have_no_problem_and_become_the_record()
    {
        var given = Json("""{"multiplications":0.25,"finish":"exact","momentum":0.9}""");
        Assert.Empty(ParametersSchema.Validate(Schema, given));
        Assert.Equal(
            new ToyParameters(0.25, Finish: Finish.Exact, Momentum: 0.9), ParametersSchema.Read<ToyParameters>("toy", given));
    }

    [Fact]
    public void Defaults_fill_only_what_is_left_out()
    {
        var filled = ParametersSchema.WithDefaults(Schema, Json("""{"multiplications":0.5,"epochs":3}"""));
        Assert.Equal(
            """{"augment":true,"epochs":3,"finish":"bestEffort","momentum":null,"multiplications":0.5,"schedule":"cosine","target":null,"weightDecay":0.0005}""",
            Lathe.Contracts.CanonicalJson.Write(filled));
        Assert.Empty(ParametersSchema.Validate(Schema, filled));
    }

    [Theory]
    [InlineData("""{"multiplications":1e-300}""")]
    [InlineData("""{"multiplications":0.5,"weightDecay":1e300}""")]
    [InlineData("""{"multiplications":0.5,"target":1e-300}""")]
    [InlineData("""{"multiplications":0.5,"target":1e300}""")]
    public void A_number_is_compared_as_what_it_is_read_as(string parameters) => Assert.Empty(ParametersSchema.Validate(Schema, Json(parameters)));

    [Fact]
    public void An_unknown_key_is_named_with_the_nearest_known_one()
    {
        var (path, message) = OnlyProblem("""{"multiplications":0.5,"epoch":3}""");
        Assert.Equal("/epoch", path);
        Assert.Equal(
            "is an unknown key (did you mean 'epochs'?); known keys are multiplications, epochs, finish, schedule, augment, momentum, weightDecay, target",
            message);
    }

    [Theory]
    [InlineData("""{"multiplications":"abc"}""", "/multiplications", "is the text 'abc', expected a number above 0 and at most 1")]
    [InlineData("""{"multiplications":1.5}""", "/multiplications", "is 1.5, expected a number above 0 and at most 1")]
    [InlineData("""{"multiplications":0}""", "/multiplications", "is 0, expected a number above 0 and at most 1")]
    [InlineData("""{"multiplications":0.5,"epochs":2.5}""", "/epochs", "is 2.5, expected a whole number at least 1 and at most 1000")]
    [InlineData("""{"multiplications":0.5,"epochs":0}""", "/epochs", "is 0, expected a whole number at least 1 and at most 1000")]
    [InlineData("""{"multiplications":0.5,"epochs":null}""", "/epochs", "is empty, expected a whole number at least 1 and at most 1000")]
    [InlineData("""{"multiplications":0.5,"finish":"fast"}""", "/finish", "is the text 'fast', expected one of exact, bestEffort")]
    [InlineData("""{"multiplications":0.5,"schedule":"linear"}""", "/schedule", "is the text 'linear', expected one of cosine, step")]
    [InlineData("""{"multiplications":0.5,"augment":"yes"}""", "/augment", "is the text 'yes', expected true or false")]
    [InlineData("""{"multiplications":0.5,"momentum":"abc"}""", "/momentum", "is the text 'abc', expected a number")]
    [InlineData("""{"multiplications":0.5,"momentum":[1,2]}""", "/momentum", "is a list, expected a number")]
    [InlineData("""{"multiplications":0.5,"weightDecay":-1}""", "/weightDecay", "is -1, expected a number at least 0")]
    [InlineData("""{"multiplications":0.5,"weightDecay":"40%"}""", "/weightDecay", "is the text '40%', expected a number at least 0")]
    [InlineData("""{"multiplications":0.5,"weightDecay":"NaN"}""", "/weightDecay", "is the text 'NaN', expected a number at least 0")]
    [InlineData("""{"multiplications":0.5,"weightDecay":{"a":1}}""", "/weightDecay", "is an object, expected a number at least 0")]
    [InlineData("""{"multiplications":0.5,"target":0}""", "/target", "is 0, expected a number above 0")]
    [InlineData("""{"multiplications":0.5,"target":"half"}""", "/target", "is the text 'half', expected a number above 0")]
    [InlineData("""{}""", "/multiplications", "is missing; expected a number above 0 and at most 1")]
    [InlineData("""[1]""", "", "is a list, expected an object of parameters")]
    public void A_wrong_value_is_shown_with_what_was_expected(string parameters, string path, string message) =>
        Assert.Equal((path, message), OnlyProblem(parameters));
}
