using System.Text.Json;
using System.Text.Json.Serialization;

namespace Lathe.Benchmarks.Engine;

/// <summary>All that a run of <c>engine</c> found; benchmarks/engine_pytorch.py writes the same fields.</summary>
/// <param name="Engine">Who computed.</param>
/// <param name="Version">Of libtorch.</param>
/// <param name="Processor">As the kernel names it.</param>
/// <param name="Cpus">That the process may use.</param>
/// <param name="Threads">That computed.</param>
/// <param name="MatrixProducts">Rates of matrix products, by precision.</param>
/// <param name="Results">One for each network and variant.</param>
internal sealed record EngineReport(
    string Engine,
    string Version,
    string Processor,
    int Cpus,
    int Threads,
    IReadOnlyDictionary<string, MatrixRate> MatrixProducts,
    IReadOnlyList<EngineResult> Results)
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    public void WriteJson(string path) => File.WriteAllText(path, JsonSerializer.Serialize(this, Format) + "\n");

    public void Print()
    {
        Console.WriteLine();
        Console.WriteLine($"{Engine} {Version}, {Threads} threads, {Processor} ({Cpus} CPUs)");
        foreach (var (precision, rate) in MatrixProducts)
            Console.WriteLine($"matrix products of {rate.Size} in {precision}: {Quartiles.Of(rate.Gigaflops).Median:0.0} GFLOP/s");
        Console.WriteLine();
        Console.WriteLine("model      variant               median ms   quartiles ms      images/s  of plain  of lathe  of matrix rate");
        foreach (var r in Results)
        {
            Console.WriteLine(
                $"{r.Model,-10} {r.Variant,-20} {r.MedianMs,10:0.0}   {$"{r.LowerQuartileMs:0.0}-{r.UpperQuartileMs:0.0}",-16} {r.ImagesPerSecond,9:0.0} " +
                $"{Ratio(r.OfPlain)} {Ratio(r.OfLathe)} {r.MatrixShare,14:0.0%}");
        }
    }

    private static string Ratio(double? ratio) => ratio is { } known ? $"{known,9:0.000}" : $"{"-",9}";
}

/// <summary>One way to train one network.</summary>
/// <param name="Model">Network.</param>
/// <param name="Variant">How it was trained.</param>
/// <param name="Precision">What layers computed with.</param>
/// <param name="Batch">Images in a step.</param>
/// <param name="Parameters">Trainable values.</param>
/// <param name="Multiplications">For one image's forward pass.</param>
/// <param name="MedianMs">Median milliseconds of a step.</param>
/// <param name="LowerQuartileMs">A quarter of the steps is faster.</param>
/// <param name="UpperQuartileMs">A quarter of the steps is slower.</param>
/// <param name="ImagesPerSecond">At the median.</param>
/// <param name="OfPlain">Median over that of the network by hand; null where that was not measured.</param>
/// <param name="OfLathe">Median over that of Lathe in float32; null where that was not measured.</param>
/// <param name="MatrixShare">
/// Operations per second (three passes of two for each multiplication) over the rate of matrix products in the same precision.
/// </param>
/// <param name="StepMs">Milliseconds of every step.</param>
internal sealed record EngineResult(
    string Model,
    string Variant,
    string Precision,
    int Batch,
    long Parameters,
    long Multiplications,
    double MedianMs,
    double LowerQuartileMs,
    double UpperQuartileMs,
    double ImagesPerSecond,
    double? OfPlain,
    double? OfLathe,
    double MatrixShare,
    IReadOnlyList<double> StepMs);

/// <summary>Middle and spread, interpolated linearly between measurements.</summary>
internal sealed record Quartiles(double Lower, double Median, double Upper)
{
    public static Quartiles Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return new Quartiles(At(0.25), At(0.5), At(0.75));

        double At(double share)
        {
            var place = share * (sorted.Length - 1);
            var (below, above) = (sorted[(int)Math.Floor(place)], sorted[(int)Math.Ceiling(place)]);
            return below + ((above - below) * (place - Math.Floor(place)));
        }
    }
}
