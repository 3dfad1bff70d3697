using System.Text.Json;
using CsCheck;

namespace Lathe.Contracts.Tests;

public sealed class Naming_a_result
{
    private static readonly StageManifest Prune = new("prune", "1", "", StageInput.Checkpoint, StageOutput.Checkpoint);
    private static readonly CheckpointRef Input = new(new string('a', 64), 10);
    private static readonly DataRef Data = new("mnist", new string('b', 64));

    [Fact]
    public void The_order_and_spelling_of_parameters_do_not_matter() => Assert.Equal(
        Key("""{ "multiplications": 0.50, "epochs": 4 }"""),
        Key("""{"epochs":4.0,"multiplications":5e-1}"""));

    [Fact]
    public void Everything_that_decides_the_bits_matters()
    {
        var parameters = Json("""{"epochs":4}""");
        string[] keys =
        [
            Compute(Prune, parameters, Input, Data, 1),
            Compute(Prune with { Name = "train" }, parameters, Input, Data, 1),
            Compute(Prune with { Version = "2" }, parameters, Input, Data, 1),
            Compute(Prune, Json("""{"epochs":5}"""), Input, Data, 1),
            Compute(Prune, parameters, Input with { Sha256 = new string('c', 64) }, Data, 1),
            Compute(Prune, parameters, null, Data, 1),
            Compute(Prune, parameters, Input, Data with { Fingerprint = new string('d', 64) }, 1),
            Compute(Prune, parameters, Input, Data, 2),
            Compute(Prune, parameters, Input, Data, 1, threads: 1),
            Compute(Prune, parameters, Input, Data, 1, threads: 2),
            Compute(Prune, parameters, Input, Data, 1, threads: 2, device: DeviceKind.Cpu),
            Compute(Prune, parameters, Input, Data, 1, device: DeviceKind.Cpu),
            Compute(Prune, parameters, Input, Data, 1, device: DeviceKind.Cuda),
        ];
        Assert.Equal(keys.Length, keys.Distinct().Count());
        Assert.All(keys, key => Assert.Matches("^[0-9a-f]{64}$", key));
    }

    [Fact]
    public void What_people_read_about_a_stage_does_not_matter() => Assert.Equal(
        Compute(Prune, Json("{}"), Input, Data, 1),
        Compute(Prune with { Summary = "another" }, Json("{}"), Input, Data, 1));

    [Fact]
    public void Canonical_JSON_reads_back_as_the_same_numbers() => Gen.Double.Where(double.IsFinite).Sample(number =>
    {
        var text = CanonicalJson.Write(JsonSerializer.SerializeToElement(number));
        return double.Parse(text, System.Globalization.CultureInfo.InvariantCulture) == number;
    });

    [Fact]
    public void Canonical_JSON_of_canonical_JSON_is_itself() => Gen.Dictionary(Gen.String, Gen.Long).Sample(map =>
    {
        var once = CanonicalJson.Write(JsonSerializer.SerializeToElement(map));
        return CanonicalJson.Write(Json(once)) == once;
    });

    private static string Key(string parameters) => Compute(Prune, Json(parameters), Input, Data, 1);

    private static string Compute(
        StageManifest manifest, JsonElement parameters, CheckpointRef? input, DataRef data, long seed, int? threads = null, DeviceKind? device = null) =>
        ExecutionKey.Compute(manifest, parameters, input, data, seed, threads, device);

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;
}
