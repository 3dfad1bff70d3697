using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>Rules, alerts and dashboards of deploy/k8s/components/observability.</summary>
public sealed partial class What_an_operator_sees
{
    private static readonly string Folder = Path.Combine(Manifests.Folder, "components", "observability");

    // Of RabbitMQ's and .NET's own; names and labels that dashboards and rules use.
    private static readonly string[] Foreign =
    [
        "rabbitmq_detailed_queue_messages", "rabbitmq_detailed_queue_messages_ready", "rabbitmq_detailed_queue_messages_unacked",
        "http_server_request_duration_seconds_bucket", "http_server_request_duration_seconds_count", "http_response_status_code", "http_route",
        "dotnet_process_memory_working_set_bytes", "dotnet_process_cpu_time_seconds_total",
    ];

    public static TheoryData<string> Dashboards => [.. Directory.EnumerateFiles(Path.Combine(Folder, "dashboards"), "*.json").Select(f => Path.GetFileName(f)).Order()];

    [Fact]
    public void The_rules_are_right_and_their_alerts_fire_when_they_should()
    {
        var promtool = Manifests.Tool("promtool");
        var (code, output, errors) = Manifests.Run(promtool, "check", "config", Path.Combine(Folder, "prometheus.yaml"));
        Assert.True(code == 0, output + errors);
        (code, output, errors) = Manifests.Run(promtool, "test", "rules", Path.Combine(Folder, "rules.test.yaml"));
        Assert.True(code == 0, output + errors);
        var tests = File.ReadAllText(Path.Combine(Folder, "rules.test.yaml"));
        Assert.All(Alerts(), alert => Assert.Contains($"alertname: {alert}\n", tests, StringComparison.Ordinal));
    }

    [Fact]
    public void A_rule_that_is_changed_fails_its_test()
    {
        using var folder = new RenderedFiles();
        var rules = File.ReadAllText(Path.Combine(Folder, "rules.yaml"));
        folder.Write("rules.yaml", rules.Replace("lathe:queue_age_seconds > 900", "lathe:queue_age_seconds > 9000", StringComparison.Ordinal));
        var test = folder.Write("rules.test.yaml", File.ReadAllText(Path.Combine(Folder, "rules.test.yaml")));
        Assert.NotEqual(0, Manifests.Run(Manifests.Tool("promtool"), "test", "rules", test).Code);
    }

    [Fact]
    public void The_rules_use_figures_of_the_code() => Assert.Empty(Unknown(File.ReadAllText(Path.Combine(Folder, "rules.yaml"))));

    [Theory]
    [MemberData(nameof(Dashboards))]
    public void A_dashboard_asks_for_figures_of_the_code_in_words_that_Prometheus_understands(string dashboard)
    {
        var questions = Questions(dashboard);
        Assert.Empty(questions.SelectMany(Unknown));
        using var folder = new RenderedFiles();
        var rules = new JsonArray([.. questions.Select((q, i) => new JsonObject { ["record"] = $"q{i}", ["expr"] = q })]);
        var file = folder.Write("questions.yaml", new JsonObject { ["groups"] = new JsonArray(new JsonObject { ["name"] = "questions", ["rules"] = rules }) }.ToJsonString());
        var (code, output, errors) = Manifests.Run(Manifests.Tool("promtool"), "check", "rules", file);
        Assert.True(code == 0, output + errors);
    }

    [Fact]
    public void A_figure_that_the_code_does_not_have_is_found() =>
        Assert.Equal(["lathe_queue_agee_seconds", "lathe_resends"], Unknown("max(lathe_queue_agee_seconds{lathe_stage=\"prune\"}) + rate(lathe_resends[5m]) + lathe_queue_age_seconds"));

    [Fact]
    public void Every_figure_of_the_code_is_on_a_dashboard()
    {
        var shown = string.Concat(Dashboards.SelectMany(d => Questions(d.Data))) + File.ReadAllText(Path.Combine(Folder, "rules.yaml"));
        Assert.All(Instruments().Select(i => BaseName(i)), name => Assert.Contains(name, shown, StringComparison.Ordinal));
    }

    [Fact]
    public void The_collector_listens_where_processes_send_and_Prometheus_asks()
    {
        var collector = Assert.Single(Manifests.Objects(File.ReadAllText(Path.Combine(Folder, "collector.yaml"))));
        var objects = Manifests.Objects(Manifests.Text("overlays/dev"));
        var ports = objects.Find("Service", "otel-collector").List("spec.ports").ToDictionary(p => p.Word("name")!, p => p.Word("port"));
        Assert.EndsWith(":" + ports["otlp"], collector.Word("receivers.otlp.protocols.grpc.endpoint"), StringComparison.Ordinal);
        Assert.EndsWith(":" + ports["metrics"], collector.Word("exporters.prometheus.endpoint"), StringComparison.Ordinal);
        Assert.Equal($"http://otel-collector:{ports["otlp"]}", objects.Find("ConfigMap", "lathe-settings")["data"].Word(TelemetrySetup.EndpointVariable));
        Assert.Contains($"otel-collector:{ports["metrics"]}", File.ReadAllText(Path.Combine(Folder, "prometheus.yaml")), StringComparison.Ordinal);
        // What a pipeline names is set up.
        foreach (var (_, pipeline) in collector.At("service.pipelines")!.AsObject())
        {
            foreach (var part in new[] { "receivers", "processors", "exporters" })
                Assert.All(pipeline.List(part), name => Assert.True(collector[part]!.AsObject().ContainsKey(name.ToString()), $"{part} {name}"));
        }
    }

    private static IEnumerable<string> Alerts() => Regex.Matches(File.ReadAllText(Path.Combine(Folder, "rules.yaml")), @"alert: (\w+)").Select(m => m.Groups[1].Value);

    private static IReadOnlyList<string> Questions(string dashboard) =>
        [.. JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "dashboards", dashboard))).List("panels").SelectMany(p => p.List("targets")).Select(t => t.Word("expr")!)];

    /// <summary>Names in PromQL that no instrument, label or rule has.</summary>
    private static IReadOnlyList<string> Unknown(string text)
    {
        var recorded = Regex.Matches(File.ReadAllText(Path.Combine(Folder, "rules.yaml")), @"record: (\S+)").Select(m => m.Groups[1].Value);
        var labels = new[] { LatheTelemetry.Stage, LatheTelemetry.Outcome, "lathe.state", "lathe.failure.kind" }.Select(l => l.Replace('.', '_'));
        var known = Instruments().SelectMany(Series).Concat(recorded).Concat(labels).Concat(Foreign).ToHashSet();
        return [.. Names().Matches(text).Select(m => m.Value).Where(n => !known.Contains(n)).Distinct()];
    }

    /// <summary>Instruments of Lathe's meters.</summary>
    private static List<Instrument> Instruments()
    {
        var found = new List<Instrument>();
        using var listener = new MeterListener { InstrumentPublished = (instrument, _) => { if (instrument.Meter.Name.StartsWith("Lathe.", StringComparison.Ordinal)) found.Add(instrument); } };
        foreach (var type in new[] { typeof(LatheTelemetry), typeof(CoordinatorHost).Assembly.GetType("Lathe.Coordinator.CoordinatorTelemetry", throwOnError: true)! }) RuntimeHelpers.RunClassConstructor(type.TypeHandle);
        listener.Start();
        // Tests of other classes start meters too.
        lock (found) return [.. found.DistinctBy(i => i.Name)];
    }

    /// <summary>The collector's name of an instrument for Prometheus: dots become underscores, the unit is written out, a counter is a total.</summary>
    private static string BaseName(Instrument instrument) =>
        instrument.Name.Replace('.', '_') + (instrument.Unit == "s" ? "_seconds" : "") + (instrument.GetType().Name.StartsWith("Counter", StringComparison.Ordinal) ? "_total" : "");

    private static IEnumerable<string> Series(Instrument instrument) => instrument.GetType().Name.StartsWith("Histogram", StringComparison.Ordinal)
        ? new[] { "_bucket", "_sum", "_count" }.Select(suffix => BaseName(instrument) + suffix)
        : [BaseName(instrument)];

    [GeneratedRegex(@"\b(lathe[_:]|rabbitmq_|http_|dotnet_)[\w:]+")]
    private static partial Regex Names();
}
