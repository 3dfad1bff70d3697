using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Xml.Linq;
using Lathe.Contracts;
using Lathe.Contracts.Messages;
using Lathe.Testing;

namespace Lathe.Hosting.Tests;

/// <summary>docs/asyncapi.json says what the records of the messages say. <c>LATHE_RENEW_ASYNCAPI=1</c> writes it anew.</summary>
public sealed class The_asyncapi_document
{
    private static readonly string Place = Path.Combine(Checkout.Root, "docs", "asyncapi.json");

    private static readonly (string Channel, string Address, string Description, Type[] ToWorker, Type[] FromWorker)[] Channels =
    [
        ("work", "stage.{stage}.{version}", "Executions of one version of a stage. A quorum queue; a worker takes one message at a time.", [typeof(ExecuteStage)], []),
        ("questions", "stage.{stage}.{version}.check", "Questions to one version of a stage, before a sweep runs.", [typeof(CheckStage)], []),
        ("exports", "lathe.export.{format}", "Orders to export a checkpoint, for every worker that can.", [typeof(ExportCheckpoint)], []),
        ("answers", "{replyQueue}", "Answers to questions and to orders to export, in the queue that the replyto names.", [], [typeof(StageChecked), typeof(CheckpointExported)]),
        ("cancellations", "Lathe.Contracts.Messages:CancelExecutions", "A fanout exchange that every worker listens to.", [typeof(CancelExecutions)], []),
        ("rollCall", "Lathe.Contracts.Messages:AnnounceStages", "A fanout exchange that every worker listens to.", [typeof(AnnounceStages)], []),
        ("announcements", Queues.Coordinator, "Which stages there are.", [], [typeof(StageAnnounced)]),
        ("reports", "{replyTo}", "What became of an execution, in the queue that its command names.", [],
            [typeof(StageStarted), typeof(StageProgressed), typeof(StageCompleted), typeof(StageFailed), typeof(StageCancelled)]),
    ];

    [Fact]
    public void Is_what_the_contracts_say()
    {
        var made = Document().ToJsonString(new JsonSerializerOptions(LatheJson.Indented) { WriteIndented = true }) + "\n";
        if (Environment.GetEnvironmentVariable("LATHE_RENEW_ASYNCAPI") == "1") File.WriteAllText(Place, made);
        Assert.True(made == File.ReadAllText(Place), "docs/asyncapi.json is not what the messages say; LATHE_RENEW_ASYNCAPI=1 writes it anew");
    }

    [Fact]
    public void Names_every_message_once() =>
        Assert.Equal(
            MessageTypes.All.Select(type => type.Name).Order(),
            Channels.SelectMany(channel => channel.ToWorker.Concat(channel.FromWorker)).Select(type => type.Name).Order());

    [Fact]
    public async Task Is_read_by_the_parser_of_AsyncAPI_without_a_fault()
    {
        var (code, output) = await ParseAsync(Place);
        Assert.True(code == 0, output);
        Assert.Equal($"{Channels.Length} channels, {MessageTypes.All.Count} messages", output.Trim());

        var broken = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(broken, (await File.ReadAllTextAsync(Place)).Replace("#/components/messages/ExecuteStage", "#/components/messages/Gone", StringComparison.Ordinal));
            (code, output) = await ParseAsync(broken);
            Assert.True(code == 1, output);
            Assert.Contains("Gone", output);
        }
        finally
        {
            File.Delete(broken);
        }
    }

    private static async Task<(int Code, string Output)> ParseAsync(string file)
    {
        var folder = Path.Combine(Checkout.Root, "artifacts", "asyncapi");
        Assert.SkipUnless(File.Exists(Path.Combine(folder, "installed.json")), "AsyncAPI's parser is missing; ./test installs it where there is npm");
        using var node = Process.Start(new ProcessStartInfo("node", [Path.Combine(folder, "validate.mjs"), file]) { RedirectStandardOutput = true })!;
        var output = await node.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await node.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (node.ExitCode, output);
    }

    private static JsonObject Document()
    {
        var texts = Texts();
        return new JsonObject
        {
            ["asyncapi"] = "3.0.0",
            ["info"] = new JsonObject
            {
                ["title"] = "Lathe",
                ["version"] = "1",
                ["description"] = "Messages between the coordinator and the workers of stages, over RabbitMQ. See wire.md.",
                ["license"] = new JsonObject { ["name"] = "Apache-2.0", ["url"] = "https://www.apache.org/licenses/LICENSE-2.0" },
            },
            ["defaultContentType"] = CloudEvent.MediaType,
            ["channels"] = new JsonObject(Channels.Select(channel => KeyValuePair.Create<string, JsonNode?>(channel.Channel, Channel(channel)))),
            ["operations"] = new JsonObject(Channels.Select(channel => KeyValuePair.Create<string, JsonNode?>(
                (channel.ToWorker.Length > 0 ? "receive" : "send") + char.ToUpperInvariant(channel.Channel[0]) + channel.Channel[1..],
                new JsonObject
                {
                    ["action"] = channel.ToWorker.Length > 0 ? "receive" : "send",
                    ["summary"] = channel.ToWorker.Length > 0 ? "A worker receives it." : "A worker sends it.",
                    ["channel"] = Reference($"channels/{channel.Channel}"),
                }))),
            ["components"] = new JsonObject
            {
                ["messages"] = new JsonObject(MessageTypes.All.Select(type => KeyValuePair.Create<string, JsonNode?>(type.Name, Message(type, texts)))),
            },
        };
    }

    private static JsonObject Channel((string Channel, string Address, string Description, Type[] ToWorker, Type[] FromWorker) channel)
    {
        var node = new JsonObject
        {
            ["address"] = channel.Address,
            ["description"] = channel.Description,
            ["messages"] = new JsonObject(channel.ToWorker.Concat(channel.FromWorker).Select(
                type => KeyValuePair.Create<string, JsonNode?>(type.Name, Reference($"components/messages/{type.Name}")))),
        };
        (string Name, string Text)[] known =
        [
            ("stage", "Name of the stage."), ("version", "Version of the stage."), ("replyQueue", "Last segment of the question's replyto."), ("replyTo", "The command's replyTo."), ("format", "Name of the format."),
        ];
        var parameters = known.Where(name => channel.Address.Contains($"{{{name.Name}}}", StringComparison.Ordinal)).ToList();
        if (parameters.Count > 0)
            node["parameters"] = new JsonObject(parameters.Select(p => KeyValuePair.Create<string, JsonNode?>(p.Name, new JsonObject { ["description"] = p.Text })));
        return node;
    }

    private static JsonObject Message(Type type, Dictionary<string, string> texts)
    {
        var data = LatheJson.Options.GetJsonSchemaAsNode(type, new JsonSchemaExporterOptions
        {
            TreatNullObliviousAsNonNullable = true,
            TransformSchemaNode = (context, schema) =>
            {
                if (schema is JsonObject described && context.PropertyInfo is { } property
                    && texts.TryGetValue($"{property.DeclaringType.FullName}.{property.Name}", out var text))
                    described.Insert(0, "description", text);
                return schema;
            },
        });
        Inline(data, data);
        return new JsonObject
        {
            ["name"] = MessageTypes.NameOf(type),
            ["title"] = type.Name,
            ["summary"] = texts.GetValueOrDefault(type.FullName!, ""),
            ["contentType"] = CloudEvent.MediaType,
            ["payload"] = new JsonObject
            {
                ["type"] = "object",
                ["required"] = new JsonArray("specversion", "id", "source", "type", "data"),
                ["properties"] = new JsonObject
                {
                    ["specversion"] = new JsonObject { ["const"] = CloudEvent.Version },
                    ["id"] = new JsonObject { ["type"] = "string", ["format"] = "uuid" },
                    ["source"] = new JsonObject { ["type"] = "string" },
                    ["type"] = new JsonObject { ["const"] = MessageTypes.NameOf(type) },
                    ["time"] = new JsonObject { ["type"] = "string", ["format"] = "date-time" },
                    ["traceparent"] = new JsonObject { ["type"] = "string" },
                    ["requestid"] = new JsonObject { ["type"] = "string", ["format"] = "uuid" },
                    ["replyto"] = new JsonObject { ["type"] = "string" },
                    ["data"] = data,
                },
            },
        };
    }

    /// <summary>The exporter refers to the first place of a type that comes twice, by its path in the schema. In this document it has another one.</summary>
    private static void Inline(JsonNode root, JsonNode? node)
    {
        if (node is JsonArray items) foreach (var item in items) Inline(root, item);
        if (node is not JsonObject schema) return;
        if (schema["$ref"]?.GetValue<string>() is { } path)
        {
            schema.Remove("$ref");
            var target = JsonPointer.Steps(path.TrimStart('#')).Aggregate(root, (at, step) => at[step]!);
            foreach (var (name, value) in target.AsObject()) if (!schema.ContainsKey(name)) schema[name] = value?.DeepClone();
        }

        foreach (var (_, child) in schema.ToList()) Inline(root, child);
    }

    private static JsonObject Reference(string path) => new() { ["$ref"] = $"#/{path}" };

    /// <summary>What the documentation comments say: of a type by its full name, of a property by that, a point and its name in JSON.</summary>
    private static Dictionary<string, string> Texts()
    {
        var texts = new Dictionary<string, string>();
        foreach (var member in XDocument.Load(Path.ChangeExtension(typeof(ExecuteStage).Assembly.Location, ".xml")).Descendants("member"))
        {
            var name = member.Attribute("name")!.Value;
            if (!name.StartsWith("T:", StringComparison.Ordinal)) continue;
            if (member.Element("summary") is { } summary) texts[name[2..]] = Plain(summary);
            foreach (var parameter in member.Elements("param"))
                texts[$"{name[2..]}.{JsonNamingPolicy.CamelCase.ConvertName(parameter.Attribute("name")!.Value)}"] = Plain(parameter);
        }

        return texts;
    }

    /// <summary>The text without its marks; a reference to a member is its last name.</summary>
    private static string Plain(XElement element) => string.Join(' ', string.Concat(element.Nodes().Select(node => node switch
    {
        XElement { Name.LocalName: "see" or "paramref" or "typeparamref" } see => ((string?)see.Attribute("cref") ?? (string?)see.Attribute("name") ?? (string?)see.Attribute("href") ?? "").Split('(')[0].Split('.', ':')[^1],
        XElement inner => inner.Value,
        XText text => text.Value,
        _ => "",
    })).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
