using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>Values that a search may choose one of.</summary>
/// <param name="Kind">uniform, loguniform, int or choice.</param>
/// <param name="Low">Least value; 0 for a choice.</param>
/// <param name="High">Greatest value.</param>
/// <param name="Choices">The values of a choice.</param>
internal sealed record SearchRange(string Kind, double Low, double High, IReadOnlyList<JsonElement> Choices)
{
    private const string Uniform = "uniform";
    private const string LogUniform = "loguniform";
    private const string Whole = "int";
    private const string Choice = "choice";
    private const int MostLevels = 1_000_000;

    // Enough for any parameter, and short enough to read.
    private const string Digits = "G5";

    private static readonly string[] Kinds = [Uniform, LogUniform, Whole, Choice];

    /// <summary>What a strategy knows of it.</summary>
    public SearchDimension Dimension => Kind switch
    {
        Whole => new SearchDimension((int)(High - Low) + 1, true),
        Choice => new SearchDimension(Choices.Count, IsAscending),
        _ => SearchDimension.Continuous,
    };

    /// <summary>Some values that stand for all: the ends of a range, every one of a choice; with the place of each in the range.</summary>
    public IReadOnlyList<(JsonElement Value, string Place)> Probes => Kind == Choice
        ? [.. Choices.Select((c, i) => (c, $"/{Choice}/{i}"))]
        : [(Value(0), $"/{Kind}/0"), (Value(1), $"/{Kind}/1")];

    /// <summary>The value at a coordinate from 0 to 1.</summary>
    public JsonElement Value(double coordinate) => Kind switch
    {
        Choice => Choices[Dimension.LevelOf(coordinate)],
        Whole => JsonSerializer.SerializeToElement((long)Low + Dimension.LevelOf(coordinate)),
        LogUniform => Number(Math.Exp(Math.Log(Low) + (coordinate * (Math.Log(High) - Math.Log(Low))))),
        _ => Number(Low + (coordinate * (High - Low))),
    };

    // Numbers in their order have neighbours that are alike; anything else is a choice among names.
    private bool IsAscending { get; } = Choices.Count > 1 && Choices.All(c => c.ValueKind == JsonValueKind.Number) && Choices.Zip(Choices.Skip(1)).All(c => c.First.GetDouble() < c.Second.GetDouble());

    /// <summary>The range as its author wrote it.</summary>
    public JsonElement Written() => JsonSerializer.SerializeToElement(new JsonObject
    {
        [Kind] = Kind == Choice ? new JsonArray([.. Choices.Select(c => JsonNode.Parse(c.GetRawText()))])
            : Kind == Whole ? new JsonArray((long)Low, (long)High) : new JsonArray(Low, High),
    });

    /// <summary>A choice among these.</summary>
    public static SearchRange Of(IReadOnlyList<JsonElement> choices) => new(Choice, 0, 0, choices);

    /// <summary>True for an object with one of the four words as its only key.</summary>
    public static bool IsOne(JsonElement value) => value.ValueKind == JsonValueKind.Object && value.EnumerateObject().ToList() is [var only] && Kinds.Contains(only.Name);

    /// <summary>The problem with what its author may have meant, where an object has a misspelt one of the four words as its only key.</summary>
    /// <param name="problem">With a value of a stage.</param>
    /// <param name="spec">The sweep.</param>
    public static SweepProblem Hinted(SweepProblem problem, SweepSpec spec)
    {
        if (JsonPointer.Steps(problem.Path) is not ["stages", var stage, _, .. var steps] || !int.TryParse(stage, NumberStyles.None, CultureInfo.InvariantCulture, out var i) || i >= (spec.Stages?.Count ?? 0)) return problem;
        var value = spec.Stages![i].Parameters;
        foreach (var step in steps)
        {
            if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty(step, out value)) return problem;
        }

        return value.ValueKind == JsonValueKind.Object && value.EnumerateObject().ToList() is [{ Value.ValueKind: JsonValueKind.Array } only] && !Kinds.Contains(only.Name)
            ? problem with { Message = problem.Message + Nearest.Hint(only.Name, Kinds) } : problem;
    }

    /// <summary>Place of the first range in a value, as a JSON pointer; null: it has none.</summary>
    public static string? PlaceIn(JsonElement value)
    {
        if (IsOne(value)) return "";
        if (value.ValueKind != JsonValueKind.Object) return null;
        foreach (var member in value.EnumerateObject())
        {
            if (PlaceIn(member.Value) is { } below) return JsonPointer.Of(member.Name) + below;
        }

        return null;
    }

    /// <summary>Reads a range.</summary>
    /// <param name="value">One that <see cref="IsOne"/> knows.</param>
    /// <param name="path">Its place.</param>
    /// <param name="problems">Receives what is wrong with it.</param>
    /// <returns>Null where something is.</returns>
    public static SearchRange? Read(JsonElement value, string path, List<SweepProblem> problems)
    {
        var written = value.EnumerateObject().First();
        var (kind, place) = (written.Name, path + JsonPointer.Of(written.Name));
        var items = written.Value.ValueKind == JsonValueKind.Array ? written.Value.EnumerateArray().ToList() : [];
        if (kind == Choice)
        {
            if (items.Count == 0) return Wrong(place, "expected a list of values");
            var seen = new HashSet<string>();
            for (var i = 0; i < items.Count; i++)
            {
                if (!seen.Add(CanonicalJson.Write(items[i]))) return Wrong($"{place}/{i}", $"{items[i].GetRawText()} stands twice in the list");
            }

            return Of(items);
        }

        if (items is not [{ ValueKind: JsonValueKind.Number } first, { ValueKind: JsonValueKind.Number } last]) return Wrong(place, "expected two numbers, the least and the greatest value");
        var (low, high) = (first.GetDouble(), last.GetDouble());
        if (!double.IsFinite(low) || !double.IsFinite(high)) return Wrong(place, "expected finite numbers");
        if (!(low < high)) return Wrong(place, "the first number must be less than the second");
        if (kind == LogUniform && low <= 0) return Wrong($"{place}/0", "is not above 0, and has no logarithm");
        if (kind == Whole && (low != Math.Floor(low) || high != Math.Floor(high) || Math.Abs(low) > 1e15 || Math.Abs(high) > 1e15)) return Wrong(place, "expected whole numbers");
        if (kind == Whole && high - low >= MostLevels) return Wrong(place, string.Create(CultureInfo.InvariantCulture, $"has more than {MostLevels:#,0} values; use uniform or loguniform"));
        return new SearchRange(kind, low, high, []);

        SearchRange? Wrong(string at, string message)
        {
            problems.Add(new SweepProblem(at, message));
            return null;
        }
    }

    private JsonElement Number(double value) =>
        JsonSerializer.SerializeToElement(Math.Clamp(double.Parse(value.ToString(Digits, CultureInfo.InvariantCulture), CultureInfo.InvariantCulture), Low, High));
}
