using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;
using Lathe.Hosting;

namespace Lathe.Coordinator;

/// <summary>
/// JSON Schema of a sweep file, made from the manifests of the stages, so that editors complete and check it. It takes whatever the reader takes, and refuses what is wrong whatever else the
/// file says; what depends on several keys or on the network the sweep's own check tells.
/// </summary>
internal static class SweepSchema
{
    private const string Dialect = "http://json-schema.org/draft-07/schema#";

    // Ranges of a search in place of a value.
    private const string Ranges = """
        [
          { "type": "object", "required": ["uniform"], "additionalProperties": false, "properties": { "uniform": { "$ref": "#/definitions/ends", "description": "Any number between two." } } },
          { "type": "object", "required": ["loguniform"], "additionalProperties": false, "properties": { "loguniform": { "$ref": "#/definitions/ends", "description": "Any number between two above 0; each factor is as likely as any other." } } },
          { "type": "object", "required": ["int"], "additionalProperties": false, "properties": { "int": { "type": "array", "items": { "type": "integer" }, "minItems": 2, "maxItems": 2, "description": "A whole number between two." } } },
          { "type": "object", "required": ["choice"], "additionalProperties": false, "properties": { "choice": { "type": "array", "minItems": 1, "description": "One of these." } } }
        ]
        """;

    private static readonly string Fixed = string.Create(CultureInfo.InvariantCulture, $$$"""
        {
          "name": { "type": "string", "description": "Shown to people; default: the file's name." },
          "model": { "description": "A network of the zoo, an ONNX file, a checkpoint, or a list of them.", "$ref": "#/definitions/names" },
          "dataset": { "description": "A data set or a list of them.", "$ref": "#/definitions/names" },
          "seed": { "description": "One seed or a list; default 1.", "anyOf": [{ "type": "integer" }, { "type": "array", "items": { "type": "integer" }, "minItems": 1 }] },
          "threads": { "type": "integer", "minimum": 1, "maximum": {{{SweepSpec.MostThreads}}}, "description": "CPU threads of each computation; default: all that the worker has." },
          "device": { "enum": ["cpu", "cuda"], "description": "Kind of processor that computes; default: what the worker has." },
          "pool": { "description": "Pool of workers that computes the stages, or one for each stage by its name; default: the workers that are in none.", "anyOf": [{ "type": "string" }, { "type": "object", "additionalProperties": { "type": "string" } }] },
          "priority": { "type": "integer", "minimum": {{{SweepLimits.LowestPriority}}}, "maximum": {{{SweepLimits.HighestPriority}}}, "default": {{{SweepLimits.DefaultPriority}}}, "description": "Executions of a higher one are sent first." },
          "share": { "type": "string", "description": "Sweeps that name the same share divide it." },
          "weight": { "type": "number", "exclusiveMinimum": 0, "default": 1, "description": "Size of the share, relative to others of the same priority." },
          "limits": {
            "type": "object", "additionalProperties": false, "description": "How much the sweep may take.",
            "properties": {
              "parallel": { "type": "integer", "minimum": 1 }, "parallelOf": { "type": "object", "additionalProperties": { "type": "integer", "minimum": 1 } },
              "executionSeconds": { "type": "number", "exclusiveMinimum": 0 }, "sweepSeconds": { "type": "number", "exclusiveMinimum": 0 }, "failures": { "type": "integer", "minimum": 1 },
              "keepDays": { "type": "integer", "minimum": 0 }, "budgetBytes": { "type": ["integer", "string"] }
            }
          },
          "zip": { "type": "array", "items": { "type": "array", "items": { "type": "string" }, "minItems": 2 }, "description": "Groups of axes that advance together, each STAGE.PARAMETER." },
          "search": {
            "type": "object", "additionalProperties": false, "required": ["strategy", "objectives"], "description": "Chooses trials in place of the whole grid.",
            "properties": {
              "strategy": {},
              "trials": { "type": "integer", "minimum": 1, "maximum": {{{SearchSpec.MostTrials}}}, "description": "Trials that are computed; with grid: default all." },
              "parallel": { "type": "integer", "minimum": 1, "default": 4, "description": "Trials at one time." },
              "seed": { "type": "integer", "default": 1 },
              "objectives": {
                "type": "array", "minItems": 1, "maxItems": {{{SweepSearch.MostObjectives}}},
                "items": {
                  "oneOf": [
                    { "type": "object", "required": ["maximize"], "additionalProperties": false, "properties": { "maximize": { "$ref": "#/definitions/metric" } } },
                    { "type": "object", "required": ["minimize"], "additionalProperties": false, "properties": { "minimize": { "$ref": "#/definitions/metric" } } }
                  ]
                }
              },
              "constraints": { "type": "array", "items": { "type": "string", "pattern": "(<=|>=)" }, "description": "What a result must keep, for example \"bytes <= 40 KiB\"." }
            }
          },
          "earlyStopping": {
            "type": "object", "additionalProperties": false, "required": ["strategy"], "description": "When trials of the search stop before their end.",
            "properties": {
              "strategy": { "enum": ["asha", "median"] }, "metric": { "enum": ["loss", "accuracy"], "default": "loss" },
              "grace": { "type": "integer", "minimum": 1, "default": 1, "description": "Epochs that every trial computes." },
              "reduction": { "type": "integer", "minimum": 2, "maximum": {{{EarlyStops.MostReduction}}}, "default": 3, "description": "asha: one of so many trials goes on." }
            }
          }
        }
        """);

    /// <summary>The schema of sweeps over some stages.</summary>
    /// <param name="stages">Their manifests.</param>
    public static JsonObject Of(IEnumerable<StageManifest> stages)
    {
        var known = stages.OrderBy(m => m.Name, StringComparer.Ordinal).ToList();
        var properties = Parse(Fixed);
        properties["search"]!["properties"]!["strategy"] = new JsonObject { ["enum"] = Texts(SearchStrategies.ByName.Keys), ["description"] = "How trials are chosen." };
        properties["stages"] = new JsonObject
        {
            ["type"] = "array", ["minItems"] = 1, ["description"] = "In order; a list of values is an axis.",
            ["items"] = new JsonObject { ["anyOf"] = new JsonArray([new JsonObject { ["enum"] = Texts(known.Select(m => m.Name)) }, .. known.Select(Stage)]) },
        };
        var metrics = known.SelectMany(m => m.Metrics ?? []).Where(m => m.Split != DataSplit.Test).SelectMany(m => m.RatioName is { } share ? (string[])[m.Name, share] : [m.Name]).Distinct();
        return new JsonObject
        {
            ["$schema"] = Dialect,
            ["title"] = "Lathe sweep file",
            ["type"] = "object",
            ["additionalProperties"] = false,
            ["required"] = Texts(["model", "dataset", "stages"]),
            ["properties"] = properties,
            ["definitions"] = new JsonObject
            {
                ["names"] = JsonNode.Parse("""{ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }] }"""),
                ["ends"] = JsonNode.Parse("""{ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 }"""),
                // A stage from outside may measure others.
                ["metric"] = new JsonObject { ["type"] = "string", ["examples"] = Texts(metrics) },
                ["range"] = new JsonObject { ["anyOf"] = JsonNode.Parse(Ranges) },
            },
        };
    }

    private static JsonObject Stage(StageManifest manifest)
    {
        var properties = new JsonObject();
        if (manifest.ParametersSchema is { } schema && schema.TryGetProperty("properties", out var parameters))
        {
            // The sweep names the model.
            foreach (var parameter in parameters.EnumerateObject().Where(p => !p.Value.TryGetProperty(SweepModelAttribute.Keyword, out _))) properties[parameter.Name] = Parameter(parameter.Value);
        }

        return new JsonObject
        {
            ["type"] = "object", ["required"] = Texts([manifest.Name]), ["additionalProperties"] = false,
            ["properties"] = new JsonObject
            {
                [manifest.Name] = new JsonObject { ["type"] = new JsonArray("object", "null"), ["description"] = manifest.Summary, ["additionalProperties"] = false, ["properties"] = properties },
            },
        };
    }

    /// <summary>A value, a list of values as an axis, or a range. An object may have ranges inside.</summary>
    private static JsonObject Parameter(JsonElement schema)
    {
        var one = Parse(schema.GetRawText());
        var wide = new JsonObject { ["anyOf"] = new JsonArray(one, new JsonObject { ["type"] = "array", ["minItems"] = 1, ["items"] = one.DeepClone() }, new JsonObject { ["$ref"] = "#/definitions/range" }) };
        foreach (var word in (string[])["description", "title", "default"])
        {
            if (one[word] is { } said) wide[word] = said.DeepClone();
        }

        if (one["additionalProperties"] is JsonObject member) one["additionalProperties"] = new JsonObject { ["anyOf"] = new JsonArray(member.DeepClone(), new JsonObject { ["$ref"] = "#/definitions/range" }) };
        return wide;
    }

    private static JsonObject Parse(string json) => JsonNode.Parse(json)!.AsObject();

    private static JsonArray Texts(IEnumerable<string> texts) => [.. texts.Select(t => (JsonNode)t)];
}
