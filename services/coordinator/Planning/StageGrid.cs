using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>
/// The points of one stage: the product of its list-valued parameters, in the order they were written, the last one fastest. Those of a group advance together, here and in later stages.
/// </summary>
internal sealed class StageGrid
{
    private readonly string _path;
    private readonly StageManifest _manifest;
    private readonly JsonElement _schema;
    private readonly string? _model;
    private readonly IReadOnlyList<ZippedAxis> _zipped;
    private readonly List<Parameter> _parameters = [];

    private StageGrid(string path, StageManifest manifest, IReadOnlyList<ZippedAxis> zipped)
    {
        _path = path;
        _zipped = zipped;
        _manifest = manifest;
        _schema = manifest.ParametersSchema ?? JsonSerializer.SerializeToElement(new { type = "object" });
        _model = manifest.Input == StageInput.Model ? ParametersSchema.Marked(_schema, SweepModelAttribute.Keyword) : null;
    }

    /// <summary>True where the stage has a parameter for the sweep's model.</summary>
    public bool TakesModel => _model is not null;

    /// <summary>How many points there are, in double so that no product overflows.</summary>
    /// <param name="chosen">Groups of which an earlier stage has chosen; receives those of this stage.</param>
    public double Count(HashSet<int> chosen) =>
        _parameters.Aggregate(1.0, (product, parameter) => parameter.Group is { } group && !chosen.Add(group) ? product : product * parameter.Values.Count);

    /// <summary>True where the stage has the first axis of a group.</summary>
    /// <param name="zipped">Groups of which an earlier stage has chosen.</param>
    public bool Chooses(IReadOnlyDictionary<int, int> zipped) => _parameters.Exists(p => p.Group is { } group && !zipped.ContainsKey(group));

    /// <summary>True for a list where the schema has a scalar.</summary>
    public static bool IsAxis(StageManifest? manifest, string parameter, JsonElement value) =>
        value.ValueKind == JsonValueKind.Array && manifest?.ParametersSchema is { } schema && Property(schema, parameter) is { } property && !TakesArray(property);

    /// <summary>Reads a stage's parameters and collects their problems.</summary>
    /// <param name="path">JSON pointer of the stage, <c>/stages/1/prune</c>.</param>
    /// <param name="manifest">The stage, with its schema.</param>
    /// <param name="parameters">As the author wrote them.</param>
    /// <param name="models">Models of the sweep.</param>
    /// <param name="zipped">Axes of this stage that advance with others.</param>
    /// <param name="problems">Receives the problems.</param>
    public static StageGrid Read(
        string path, StageManifest manifest, JsonElement parameters, IReadOnlyList<string> models, IReadOnlyList<ZippedAxis> zipped, List<SweepProblem> problems)
    {
        var grid = new StageGrid(path, manifest, zipped);
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
    /// <param name="zipped">Index of the value that earlier stages have chosen, by group.</param>
    public IReadOnlyList<GridPoint> Points(IReadOnlyList<string> models, int model, IReadOnlyDictionary<int, int> zipped)
    {
        var points = new List<GridPoint>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var axes = Axes(zipped);
        var at = new int[axes.Count];
        do
        {
            var chosen = new int[_parameters.Count];
            var groups = new SortedDictionary<int, int>(zipped.ToDictionary());
            foreach (var (axis, value) in axes.Zip(at))
            {
                foreach (var parameter in axis.Parameters) chosen[parameter] = axis.First + value;
                if (axis.Group is { } group) groups[group] = axis.First + value;
            }

            var point = ParametersSchema.WithDefaults(_schema, Point(chosen, models[model]));
            // The same point with other values of a group has other children.
            if (seen.Add($"{string.Join(',', groups.Values)} {CanonicalJson.Write(point)}")) points.Add(new GridPoint(point, Places(chosen, model), groups));
        }
        while (Next(at, axes));
        return points;
    }

    /// <summary>What varies by itself: a parameter, or all parameters of a group.</summary>
    private List<Axis> Axes(IReadOnlyDictionary<int, int> zipped)
    {
        var axes = new List<Axis>();
        for (var i = 0; i < _parameters.Count; i++)
        {
            var parameter = _parameters[i];
            if (parameter.Group is { } group && axes.Find(a => a.Group == group) is { } known) known.Parameters.Add(i);
            else if (parameter.Group is { } other && zipped.TryGetValue(other, out var chosen)) axes.Add(new Axis(other, [i], chosen, 1));
            else axes.Add(new Axis(parameter.Group, [i], 0, parameter.Values.Count));
        }

        return axes;
    }

    private void Add(JsonProperty property, List<SweepProblem> problems)
    {
        var path = _path + JsonPointer.Of(property.Name);
        var isAxis = IsAxis(_manifest, property.Name, property.Value);
        if (SearchRange.PlaceIn(property.Value) is { } range)
            problems.Add(new SweepProblem(path + range, "is a range to search, and the sweep has no search; add 'search: { strategy: tpe, trials: 50, objectives: [...] }', or write a list of values"));
        var zipped = _zipped.FirstOrDefault(z => z.Parameter == property.Name);
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
                if (seen.Add(CanonicalJson.Write(written[i])) || zipped is not null) values.Add((written[i], place));
            }
            catch (ArgumentException e)
            {
                problems.Add(new SweepProblem(place, e.Message.Split(" (Parameter", 2)[0]));
            }
        }

        _parameters.Add(new Parameter(property.Name, values, zipped?.Group));
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

    /// <summary>Counts up with the last axis fastest; false after the last point.</summary>
    private static bool Next(int[] at, List<Axis> axes)
    {
        for (var i = at.Length - 1; i >= 0; i--)
        {
            if (++at[i] < axes[i].Count) return true;
            at[i] = 0;
        }

        return false;
    }

    private static JsonElement? Property(JsonElement schema, string name) =>
        schema.ValueKind == JsonValueKind.Object
        && schema.TryGetProperty("properties", out var properties)
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
    /// <param name="Values">Values (one if the parameter is no axis), each with its place in the file. Distinct, unless the axis advances with others.</param>
    /// <param name="Group">Group of axes that it advances with; null: none.</param>
    private sealed record Parameter(string Name, List<(JsonElement Value, string Path)> Values, int? Group);

    /// <param name="Group">Number of the group; null: one parameter by itself.</param>
    /// <param name="Parameters">Their numbers.</param>
    /// <param name="First">Index of the first value.</param>
    /// <param name="Count">Number of values.</param>
    private sealed record Axis(int? Group, List<int> Parameters, int First, int Count);
}

/// <summary>One point of a stage's grid.</summary>
/// <param name="Parameters">Every parameter, defaults and the model filled in.</param>
/// <param name="Places">Where the author wrote them.</param>
/// <param name="Zipped">Index of the chosen value of each group of axes so far.</param>
internal sealed record GridPoint(JsonElement Parameters, ParameterPlaces Places, IReadOnlyDictionary<int, int> Zipped);
