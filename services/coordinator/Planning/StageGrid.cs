using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>
/// The points of one stage: the product of its list-valued parameters, in the order they were written, the last one fastest.
/// </summary>
internal sealed class StageGrid
{
    private readonly string _path;
    private readonly StageManifest _manifest;
    private readonly JsonElement _schema;
    private readonly string? _model;
    private readonly List<Parameter> _parameters = [];

    private StageGrid(string path, StageManifest manifest)
    {
        _path = path;
        _manifest = manifest;
        _schema = manifest.ParametersSchema ?? JsonSerializer.SerializeToElement(new { type = "object" });
        _model = manifest.Input == StageInput.Model ? ParametersSchema.Marked(_schema, SweepModelAttribute.Keyword) : null;
    }

    /// <summary>True where the stage has a parameter for the sweep's model.</summary>
    public bool TakesModel => _model is not null;

    /// <summary>How many points there are, in double so that no product overflows.</summary>
    public double Count => _parameters.Aggregate(1.0, (product, parameter) => product * parameter.Values.Count);

    /// <summary>Reads a stage's parameters and collects their problems.</summary>
    /// <param name="path">JSON pointer of the stage, <c>/stages/1/prune</c>.</param>
    /// <param name="manifest">The stage, with its schema.</param>
    /// <param name="parameters">As the author wrote them.</param>
    /// <param name="models">Models of the sweep.</param>
    /// <param name="problems">Receives the problems.</param>
    public static StageGrid Read(
        string path, StageManifest manifest, JsonElement parameters, IReadOnlyList<string> models, List<SweepProblem> problems)
    {
        var grid = new StageGrid(path, manifest);
        var before = problems.Count;
        switch (parameters.ValueKind)
        {
            case JsonValueKind.Undefined or JsonValueKind.Null:
                break;
            case JsonValueKind.Object:
                foreach (var property in parameters.EnumerateObject()) grid.Add(property, problems);
                break;
            default:
                problems.Add(new SweepProblem(path, $"expected parameters as 'name: value', found {parameters.GetRawText()}"));
                break;
        }

        if (problems.Count == before) problems.AddRange(grid.Check(models));
        return grid;
    }

    /// <summary>Every point with its defaults, in order, no two the same.</summary>
    /// <param name="models">Models of the sweep.</param>
    /// <param name="model">Index of the branch's model.</param>
    public IReadOnlyList<GridPoint> Points(IReadOnlyList<string> models, int model)
    {
        var points = new List<GridPoint>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var chosen = new int[_parameters.Count];
        do
        {
            var point = ParametersSchema.WithDefaults(_schema, Point(chosen, models[model]));
            if (seen.Add(CanonicalJson.Write(point))) points.Add(new GridPoint(point, Places(chosen, model)));
        }
        while (Next(chosen));
        return points;
    }

    private void Add(JsonProperty property, List<SweepProblem> problems)
    {
        var path = _path + JsonPointer.Of(property.Name);
        var isAxis = property.Value.ValueKind == JsonValueKind.Array && Property(property.Name) is { } schema && !TakesArray(schema);
        var written = isAxis ? property.Value.EnumerateArray().ToList() : [property.Value];
        if (written.Count == 0) problems.Add(new SweepProblem(path, "an empty list leaves nothing to run; expected one value or more"));
        if (property.Name == _model)
            problems.Add(new SweepProblem(path, "the model belongs to the whole sweep; name it under its models"));
        if (_parameters.Exists(p => p.Name == property.Name)) problems.Add(new SweepProblem(path, "given twice"));

        var values = new List<(JsonElement Value, string Path)>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < written.Count; i++)
        {
            var place = isAxis ? $"{path}/{i}" : path;
            try
            {
                if (seen.Add(CanonicalJson.Write(written[i]))) values.Add((written[i], place));
            }
            catch (ArgumentException e)
            {
                problems.Add(new SweepProblem(place, e.Message.Split(" (Parameter", 2)[0]));
            }
        }

        _parameters.Add(new Parameter(property.Name, values));
    }

    /// <summary>Checks every value of every axis together with the first values of the other axes, and every model.</summary>
    private HashSet<SweepProblem> Check(IReadOnlyList<string> models)
    {
        var problems = new HashSet<SweepProblem>();
        for (var i = 0; i < models.Count; i++) CheckPoint(new int[_parameters.Count], i);
        for (var axis = 0; axis < _parameters.Count; axis++)
        {
            for (var value = 1; value < _parameters[axis].Values.Count; value++)
            {
                var chosen = new int[_parameters.Count];
                chosen[axis] = value;
                CheckPoint(chosen, 0);
            }
        }

        return problems;

        void CheckPoint(int[] chosen, int model)
        {
            var places = Places(chosen, model);
            var point = Point(chosen, models[model]);
            foreach (var (pointer, message) in ParametersSchema.Validate(_schema, point).Concat(ClosedPlaces.Weights(_manifest, point)))
                problems.Add(new SweepProblem(places.Of(pointer), message));
        }
    }

    private ParameterPlaces Places(int[] chosen, int model)
    {
        var places = _parameters.Select((p, i) => (p.Name, p.Values[chosen[i]].Path)).ToDictionary(p => p.Name, p => p.Path);
        if (_model is not null) places[_model] = $"/models/{model}";
        return new ParameterPlaces(_path, places);
    }

    private JsonElement Point(int[] chosen, string model)
    {
        var point = new JsonObject();
        if (_model is not null) point[_model] = StoredModel.Parameter(model);
        for (var i = 0; i < chosen.Length; i++)
            point[_parameters[i].Name] = JsonNode.Parse(_parameters[i].Values[chosen[i]].Value.GetRawText());
        return JsonSerializer.SerializeToElement(point);
    }

    /// <summary>Counts up with the last parameter fastest; false after the last point.</summary>
    private bool Next(int[] chosen)
    {
        for (var i = chosen.Length - 1; i >= 0; i--)
        {
            if (++chosen[i] < _parameters[i].Values.Count) return true;
            chosen[i] = 0;
        }

        return false;
    }

    private JsonElement? Property(string name) =>
        _schema.ValueKind == JsonValueKind.Object
        && _schema.TryGetProperty("properties", out var properties)
        && properties.TryGetProperty(name, out var property)
            ? property
            : null;

    private static bool TakesArray(JsonElement schema)
    {
        if (schema.ValueKind != JsonValueKind.Object) return false;
        if (schema.TryGetProperty("items", out _)) return true;
        if (!schema.TryGetProperty("type", out var type)) return false;
        return type.ValueKind == JsonValueKind.Array
            ? type.EnumerateArray().Any(t => t.ValueEquals("array"))
            : type.ValueEquals("array");
    }

    /// <param name="Name">As written.</param>
    /// <param name="Values">Distinct values (one if the parameter is no axis), each with its place in the file.</param>
    private sealed record Parameter(string Name, List<(JsonElement Value, string Path)> Values);
}

/// <summary>One point of a stage's grid.</summary>
/// <param name="Parameters">Every parameter, defaults and the model filled in.</param>
/// <param name="Places">Where the author wrote them.</param>
internal sealed record GridPoint(JsonElement Parameters, ParameterPlaces Places);
