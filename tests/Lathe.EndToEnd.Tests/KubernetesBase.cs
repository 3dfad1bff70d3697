using System.Diagnostics;
using Lathe.Contracts.Messages;
using Lathe.Coordinator;
using Lathe.Hosting;
using YamlDotNet.RepresentationModel;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>deploy/k8s/base, rendered as a cluster would see it, against the names in the code.</summary>
public sealed class KubernetesBase
{
    private static readonly (string Stage, string Version, string Executable)[] Stages =
    [
        (Trainer.TrainStage.Manifest.Name, Trainer.TrainStage.Manifest.Version, "Lathe.Trainer"),
        (Pruner.PruneStage.Manifest.Name, Pruner.PruneStage.Manifest.Version, "Lathe.Pruner"),
        (Quantizer.QuantizeStage.Manifest.Name, Quantizer.QuantizeStage.Manifest.Version, "Lathe.Quantizer"),
        (Evaluator.EvaluateStage.Manifest.Name, Evaluator.EvaluateStage.Manifest.Version, "Lathe.Evaluator"),
    ];

    private static readonly Lazy<IReadOnlyList<YamlMappingNode>> Rendered = new(Render);

    [Fact]
    public void Every_version_of_a_stage_is_a_scaled_job_on_its_own_queue_that_starts_its_own_executable()
    {
        foreach (var (stage, version, executable) in Stages)
        {
            var job = ScaledJob(stage);
            Assert.Equal(($"stage-{stage}-{version}", version), (Text(job, "metadata", "name"), Text(job, "metadata", "labels", "app.kubernetes.io/version")));
            var trigger = Sequence(job, "spec", "triggers").Single();
            Assert.Equal("rabbitmq", Text(trigger, "type"));
            Assert.Equal(Queues.Stage(stage, version), Text(trigger, "metadata", "queueName"));
            Assert.Equal("http", Text(trigger, "metadata", "protocol"));
            Assert.Equal("false", Text(trigger, "metadata", "excludeUnacknowledged"));
            Assert.Equal("1", Text(trigger, "metadata", "value"));
            Assert.Equal("gradual", Text(job, "spec", "rollout", "strategy"));
            Assert.Equal("rabbitmq", Text(trigger, "authenticationRef", "name"));
            Find("TriggerAuthentication", "rabbitmq");

            var container = Sequence(job, "spec", "jobTargetRef", "template", "spec", "containers").Single();
            Assert.Equal($"/app/{executable}", Sequence(container, "command").Single().ToString());
        }

        Assert.Equal(Stages.Length, Rendered.Value.Count(d => Text(d, "kind") == "ScaledJob"));
    }

    [Fact]
    public void Every_stage_announces_itself_once_when_deployed()
    {
        foreach (var (stage, _, executable) in Stages)
        {
            var job = Find("Job", $"announce-{stage}");
            var container = Sequence(job, "spec", "template", "spec", "containers").Single();
            Assert.Equal([$"/app/{executable}", "--announce"], Sequence(container, "command").Select(c => c.ToString()));
        }
    }

    [Fact]
    public void Every_setting_is_one_that_the_code_reads()
    {
        var settings = (YamlMappingNode)Find("ConfigMap", "lathe-settings")["data"];
        var known = typeof(HostingSettings).GetFields().Where(field => field.IsLiteral).Select(field => field.GetRawConstantValue()).OfType<string>()
            .Append(CoordinatorHost.HttpVariable).Append(DatabaseAddress.Variable).Append(ApiSettings.KeyVariable).Append("OTEL_EXPORTER_OTLP_ENDPOINT").ToHashSet();
        Assert.All(settings.Children.Keys, key => Assert.Contains(key.ToString(), known));
        Assert.All(
            Rendered.Value.SelectMany(Containers).SelectMany(c => c.Children.ContainsKey("env") ? Sequence(c, "env") : []),
            variable => Assert.Contains(Text(variable, "name"), known));
    }

    [Fact]
    public void Secrets_are_named_and_never_written_down()
    {
        Assert.DoesNotContain(Rendered.Value, document => Text(document, "kind") == "Secret");
        var broker = Rendered.Value.SelectMany(Containers)
            .SelectMany(c => Sequence(c, "env")).Where(v => Text(v, "name") == "LATHE_BROKER").ToList();
        Assert.Equal(1 + 2 * Stages.Length, broker.Count);
        Assert.All(broker, v => Assert.Equal("lathe-secrets", Text(v, "valueFrom", "secretKeyRef", "name")));
    }

    [Fact]
    public void The_ports_agree_with_the_settings()
    {
        var settings = (YamlMappingNode)Find("ConfigMap", "lathe-settings")["data"];
        var coordinator = Sequence(Find("Deployment", "coordinator"), "spec", "template", "spec", "containers").Single();
        var port = Sequence(coordinator, "ports").Single();
        Assert.EndsWith(":" + Text(port, "containerPort"), Text(settings, "LATHE_HTTP"), StringComparison.Ordinal);
        var service = Sequence(Find("Service", "coordinator"), "spec", "ports").Single();
        Assert.Equal(Text(port, "name"), Text(service, "targetPort"));
        foreach (var (stage, _, _) in Stages)
        {
            var container = Sequence(ScaledJob(stage), "spec", "jobTargetRef", "template", "spec", "containers").Single();
            Assert.Equal(Text(settings, "LATHE_HEALTH_PORT"), Text(Sequence(container, "ports").Single(), "containerPort"));
        }
    }

    private static IReadOnlyList<YamlMappingNode> Render()
    {
        var kubectl = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(p => Path.Combine(p, "kubectl")).FirstOrDefault(File.Exists);
        Assert.SkipWhen(kubectl is null, "kubectl is not on the PATH: the manifests cannot be rendered here");
        var start = new ProcessStartInfo(kubectl, ["kustomize", Path.Combine(Checkout.Root, "deploy/k8s/base")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.Result);
        var stream = new YamlStream();
        stream.Load(new StringReader(text));
        return [.. stream.Documents.Select(d => (YamlMappingNode)d.RootNode)];
    }

    private static YamlMappingNode Find(string kind, string name) =>
        Assert.Single(Rendered.Value, d => Text(d, "kind") == kind && Text(d, "metadata", "name") == name);

    /// <summary>A stage's job, whatever version it names.</summary>
    private static YamlMappingNode ScaledJob(string stage) => Assert.Single(
        Rendered.Value, d => Text(d, "kind") == "ScaledJob" && Text(d, "metadata", "name").StartsWith($"stage-{stage}-", StringComparison.Ordinal));

    private static IEnumerable<YamlMappingNode> Containers(YamlNode node) => node switch
    {
        YamlMappingNode mapping => mapping.Children.SelectMany(child =>
            child.Key.ToString() == "containers" ? ((YamlSequenceNode)child.Value).Cast<YamlMappingNode>() : Containers(child.Value)),
        YamlSequenceNode sequence => sequence.SelectMany(Containers),
        _ => [],
    };

    private static IEnumerable<YamlNode> Sequence(YamlNode node, params string[] path) => (YamlSequenceNode)At(node, path);

    private static string Text(YamlNode node, params string[] path) => At(node, path).ToString();

    private static YamlNode At(YamlNode node, string[] path) => path.Aggregate(node, (at, key) => ((YamlMappingNode)at)[key]);
}
