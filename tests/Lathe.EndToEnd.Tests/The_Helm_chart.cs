using System.Text.Json.Nodes;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>deploy/helm/lathe is made from deploy/k8s and renders the same objects.</summary>
public sealed class The_Helm_chart
{
    /// <summary>The two classes of GPUs of the component gpu-classes.</summary>
    private const string Classes =
        "stages.train.class=large,stages.prune.class=large,stages.quantize.class=large,stages.train-small.stage=train,stages.prune-small.stage=prune,stages.quantize-small.stage=quantize,"
        + "stages.train-small.class=small,stages.prune-small.class=small,stages.quantize-small.class=small";

    private static readonly string Chart = Path.Combine(Checkout.Root, "deploy", "helm", "lathe");

    [Fact]
    public void Is_what_the_generator_makes_of_the_manifests()
    {
        var folder = Directory.CreateTempSubdirectory("lathe-chart-test-").FullName;
        try
        {
            var (code, _, errors) = Manifests.Run(Manifests.Tool("node"), Path.Combine(Manifests.TypesFolder(), "chart.mjs"), Manifests.Tool("kubectl"), Manifests.Folder, folder);
            Assert.True(code == 0, errors);
            string[] Names(string of) => [.. Directory.EnumerateFiles(of, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(of, f)).Order(StringComparer.Ordinal)];
            Assert.Equal(Names(folder), Names(Chart));
            Assert.All(Names(folder), file => Assert.True(
                File.ReadAllText(Path.Combine(folder, file)) == File.ReadAllText(Path.Combine(Chart, file)),
                $"{file} differs from what the manifests say: node artifacts/deploy-types/chart.mjs kubectl deploy/k8s deploy/helm/lathe makes it anew"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("", "store.kind=none")]
    [InlineData("s3", "store.kind=s3")]
    [InlineData("shared-volume", "store.kind=volume")]
    [InlineData("gpu", "store.kind=none,gpu.enabled=true")]
    [InlineData("tls", "store.kind=none,tls.enabled=true")]
    [InlineData("ingress", "store.kind=none,ingress.enabled=true")]
    [InlineData("kueue", "store.kind=none,kueue.enabled=true")]
    [InlineData("observability", "store.kind=none,observability.enabled=true")]
    [InlineData("gpu-classes", "store.kind=none,gpu.enabled=true," + Classes)]
    [InlineData("gpu-classes s3 tls ingress kueue observability", "gpu.enabled=true,tls.enabled=true,ingress.enabled=true,kueue.enabled=true,observability.enabled=true," + Classes)]
    [InlineData("s3 gpu tls ingress kueue observability", "gpu.enabled=true,tls.enabled=true,ingress.enabled=true,kueue.enabled=true,observability.enabled=true")]
    public void Renders_the_objects_of_the_manifests(string components, string values)
    {
        var expected = Manifests.Objects(components.Length > 0 ? Manifests.WithComponents(components.Split(' ')) : Manifests.Text("base")).Where(o => o.Kind() != "Namespace").ToList();
        foreach (var node in expected) node["metadata"]!.AsObject().Remove("namespace");
        var rendered = Manifests.Objects(Rendered(values));
        string Key(JsonNode node) => $"{node.Kind()}/{node.Name()}";
        Assert.Equal(expected.Select(Key).Order(StringComparer.Ordinal), rendered.Select(Key).Order(StringComparer.Ordinal));
        Assert.All(expected, node => Assert.True(
            JsonNode.DeepEquals(node, rendered.Find(node.Kind(), node.Name())), $"the manifests say\n{node}\nand the chart says\n{rendered.Find(node.Kind(), node.Name())}"));
    }

    [Fact]
    public void Takes_its_values()
    {
        var objects = Manifests.Objects(Rendered(
            "images.worker=r.example/w@sha256:00,images.workerCuda=r.example/g:1,images.coordinator=r.example/c:2,coordinator.replicas=3,stages.prune.maxReplicas=50,stages.prune.cpu=4,drainSeconds=120,store.s3.checkpoints=s3://b/c,store.s3.endpoint=http://minio:9000,"
            + "ingress.enabled=true,ingress.host=lathe.test,telemetry.endpoint=http://collector:4317,stages.cluster.version=1,stages.cluster.executable=/app/Clusterer,stages.cluster.maxReplicas=2,"
            + "stages.cluster.cpu=1,stages.cluster.memory=1Gi,stages.cluster.scratch=1Gi,secrets.create=true,broker.address=amqp://b/,broker.management=http://b/,database.address=postgres://d/l,apiKey=0123456789abcdef0123456789abcdef,"
            + "observability.enabled=true,observability.grafana.secret=g,observability.images.jaeger=r.example/jaeger:2,stages.prune-cpu.stage=prune,stages.prune-cpu.class=none,stages.prune-cpu.gpu=false,gpu.enabled=true"));
        Assert.Equal(("3", "r.example/c:2"), (objects.Find("Deployment", "coordinator").Word("spec.replicas"), objects.Find("Deployment", "coordinator").Word("spec.template.spec.containers.0.image")));
        var prune = objects.Find("ScaledJob", $"stage-prune-{Pruner.PruneStage.Manifest.Version}");
        Assert.Equal(("50", "r.example/g:1"), (prune.Word("spec.maxReplicaCount"), prune.Word("spec.jobTargetRef.template.spec.containers.0.image")));
        Assert.Equal("stage.cluster.1", objects.Find("ScaledJob", "stage-cluster-1").Word("spec.triggers.0.metadata.queueName"));
        var settings = objects.Find("ConfigMap", "lathe-settings")["data"]!;
        Assert.Equal(("120", "s3://b/c", "http://collector:4317"), (settings.Word("LATHE_DRAIN"), settings.Word("LATHE_STORE"), settings.Word("OTEL_EXPORTER_OTLP_ENDPOINT")));
        Assert.StartsWith("lathe.test,coordinator,coordinator.ns,", settings.Word("LATHE_HTTP_HOSTS"), StringComparison.Ordinal);
        Assert.Equal(("http://minio:9000", "9000"), (settings.Word("AWS_ENDPOINT_URL_S3"), objects.Find("NetworkPolicy", "bucket").Word("spec.egress.0.ports.0.port")));
        // Telemetry may leave to a collector of one's own, and the chart's words name the release's namespace.
        Assert.Equal("4317", objects.Find("NetworkPolicy", "telemetry-elsewhere").Word("spec.egress.0.ports.0.port"));
        Assert.Equal("r.example/jaeger:2", objects.Find("Deployment", "jaeger").Word("spec.template.spec.containers.0.image"));
        Assert.Equal("g", objects.Find("Deployment", "grafana").List("spec.template.spec.containers.0.env").Last().Word("valueFrom.secretKeyRef.name"));
        Assert.Contains("kubectl -n ns get pods", Assert.Single(objects, o => o.Kind() == "ConfigMap" && o.Name().StartsWith("prometheus-", StringComparison.Ordinal))["data"]!["rules.yaml"]!.ToString(), StringComparison.Ordinal);
        // An entry of a class takes from its stage what it does not say itself, also where it says no.
        var second = objects.Find("ScaledJob", $"stage-prune-{Pruner.PruneStage.Manifest.Version}-none");
        Assert.Equal(("r.example/w@sha256:00", "50", "none"), (second.Word("spec.jobTargetRef.template.spec.containers.0.image"), second.Word("spec.maxReplicaCount"), second["metadata"].Label("lathe/gpu")));
        Assert.Equal("amqp://b/", objects.Find("Secret", "lathe-secrets").Word("stringData.LATHE_BROKER"));
    }

    [Fact]
    public void Has_no_unknown_field_and_passes_helms_own_check()
    {
        using var folder = new RenderedFiles();
        folder.Write("chart.yaml", Rendered("gpu.enabled=true,tls.enabled=true,ingress.enabled=true,kueue.enabled=true,observability.enabled=true," + Classes));
        var (code, output, errors) = On_Kubernetes.CheckTypes(folder.Files);
        Assert.True(code == 0, output + errors);
        (code, output, errors) = Manifests.Run(Manifests.Tool("helm"), "lint", "--strict", Chart);
        Assert.True(code == 0, output + errors);
    }

    [Fact]
    public void Says_which_address_is_missing()
    {
        var (code, _, errors) = Template("secrets.create=true");
        Assert.NotEqual(0, code);
        Assert.Contains("broker.address is missing: amqp://user:password@host:5672/", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gpu.enabeld=true", "at '/gpu': additional properties 'enabeld' not allowed")]
    [InlineData("observabilty.enabled=true", "additional properties 'observabilty' not allowed")]
    [InlineData("gpu.enabled=yes", "at '/gpu/enabled': got string, want boolean")]
    [InlineData("coordinator.replicas=-1", "at '/coordinator/replicas': minimum: got -1, want 1")]
    [InlineData("stages.prune.maxReplicas=0", "at '/stages/prune/maxReplicas': minimum: got 0, want 1")]
    [InlineData("secrets.name=", "at '/secrets/name': '' does not match pattern")]
    [InlineData("stages.prune-small.stage=prune", "at '/stages/prune-small': missing property 'class'")]
    [InlineData("stages.small.stage=prun,stages.small.class=small", "stages.small.stage: there is no stage prun")]
    [InlineData("stages.cluster.version=1", "at '/stages/cluster': missing properties 'executable', 'maxReplicas', 'cpu', 'memory', 'scratch'")]
    [InlineData("stages.prune.memory=16GiB", "at '/stages/prune/memory': '16GiB' does not match pattern")]
    [InlineData("images.worker=lathe/worker", "at '/images/worker': 'lathe/worker' does not match pattern")]
    [InlineData("store.kind=nfs", "at '/store/kind': value must be one of 's3', 'volume', 'none'")]
    [InlineData("store.s3.data=/data", "at '/store/s3/data': '/data' does not match pattern '^s3://.'")]
    [InlineData("telemetry.endpoint=collector:4317", "at '/telemetry/endpoint': 'collector:4317' does not match pattern '^$|^https?://'")]
    [InlineData("secrets.create=true,broker.address=http://lathe:PASSWORD@b/", "broker.address must be like amqp://user:password@host:5672/")]
    [InlineData("secrets.create=true,apiKey=PASSWORD", "apiKey must have 32 characters or more")]
    public void Refuses_a_wrong_value_in_one_line(string values, string words)
    {
        var (code, output, errors) = Template(values);
        Assert.NotEqual(0, code);
        Assert.Equal("", output);
        Assert.Single(errors.Split('\n'), line => line.Contains(words, StringComparison.Ordinal));
        // What is wrong with a secret is said without it.
        Assert.DoesNotContain("PASSWORD", errors, StringComparison.Ordinal);
    }

    private static string Rendered(string values)
    {
        // The release's namespace is that of the manifests, but where a test looks at it.
        var (code, output, errors) = Template(values);
        Assert.True(code == 0, errors);
        return output;
    }

    private static (int Code, string Output, string Errors) Template(string values) => Manifests.Run(
        Manifests.Tool("helm"), "template", "release", Chart, "--namespace", values.Contains("telemetry", StringComparison.Ordinal) ? "ns" : "lathe", "--set", values);
}
