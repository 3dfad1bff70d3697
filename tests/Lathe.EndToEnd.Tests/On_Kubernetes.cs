using System.Globalization;
using System.Text.Json.Nodes;
using Lathe.Contracts.Messages;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>deploy/k8s, rendered as a cluster would see it, against the rules of <see cref="ManifestRules"/> and the names in the code.</summary>
public sealed class On_Kubernetes
{
    private static readonly (string Stage, string Version, string Executable)[] Stages =
    [
        (Trainer.TrainStage.Manifest.Name, Trainer.TrainStage.Manifest.Version, "Lathe.Trainer"),
        (Pruner.PruneStage.Manifest.Name, Pruner.PruneStage.Manifest.Version, "Lathe.Pruner"),
        (Quantizer.QuantizeStage.Manifest.Name, Quantizer.QuantizeStage.Manifest.Version, "Lathe.Quantizer"),
        (Evaluator.EvaluateStage.Manifest.Name, Evaluator.EvaluateStage.Manifest.Version, "Lathe.Evaluator"),
    ];

    public static TheoryData<string> Places => [.. Manifests.Overlays.Select(o => $"overlays/{o}")];

    public static TheoryData<string> Components => [.. Manifests.Components];

    [Theory]
    [MemberData(nameof(Places))]
    public void An_overlay_keeps_every_rule(string place) => Assert.Empty(ManifestRules.Problems(Manifests.Objects(Manifests.Text(place))));

    [Theory]
    [MemberData(nameof(Components))]
    public void A_component_alone_keeps_every_rule(string component) =>
        Assert.DoesNotContain(ManifestRules.Problems(Manifests.Objects(Manifests.WithComponents(component))), p => !p.Contains("NetworkPolicy/prometheus", StringComparison.Ordinal));

    [Theory]
    [InlineData("image: lathe/coordinator:0.1.0", "image: lathe/coordinator:latest", "without a version")]
    [InlineData("image: lathe/worker:0.1.0", "image: lathe/worker", "without a version")]
    [InlineData("image: docker.io/library/postgres:17.5", "image: docker.io/bitnami/postgresql:17.5", "no longer maintained")]
    [InlineData("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "may write its root")]
    [InlineData("runAsNonRoot: true", "runAsNonRoot: false", "may run as root")]
    [InlineData("type: RuntimeDefault", "type: Unconfined", "no seccomp profile")]
    [InlineData("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "may gain privileges")]
    [InlineData("automountServiceAccountToken: false", "automountServiceAccountToken: true", "mounts the token")]
    [InlineData("            ephemeral-storage:", "            other-storage:", "of ephemeral-storage")]
    [InlineData("livenessProbe:", "livenesProbe:", "has no livenessProbe")]
    [InlineData("port: health", "port: healthy", "asked on port healthy")]
    [InlineData("key: LATHE_DATABASE", "key: LATHE_DATABSE", "key LATHE_DATABSE, is missing")]
    [InlineData("configMapRef:\n            name: lathe-settings", "configMapRef:\n            name: lathe-setting", "ConfigMap lathe-setting is missing")]
    [InlineData("claimName: lathe-store", "claimName: lathe-other", "volume claim lathe-other is missing")]
    [InlineData("serviceAccountName: lathe-worker", "serviceAccountName: worker", "service account worker is missing")]
    [InlineData("mountPath: /tmp\n          name: tmp", "mountPath: /tmp\n          name: temp", "mounts volume temp")]
    [InlineData("targetPort: http", "targetPort: web", "no pod of its selector has port web")]
    [InlineData("authenticationRef:\n      name: rabbitmq", "authenticationRef:\n      name: broker", "TriggerAuthentication broker is missing")]
    [InlineData("type: DisruptionTarget", "type: DisruptionTargets", "counts a disruption")]
    [InlineData("containerName: worker", "containerName: stage", "tries again after exit code 2")]
    [InlineData("containerName: migrations", "containerName: migration", "tries again after exit code 2")]
    [InlineData("excludeUnacknowledged: \"false\"", "excludeUnacknowledged: \"true\"", "counts its queue wrongly")]
    [InlineData("strategy: default", "strategy: accurate", "another strategy")]
    [InlineData("minReplicaCount: 0", "minReplicaCount: 1", "scale to zero")]
    [InlineData("podSelector: {}\n  policyTypes:\n  - Ingress\n  - Egress", "podSelector: {}\n  policyTypes:\n  - Ingress", "denies everything")]
    [InlineData("app.kubernetes.io/name: postgresql\n  policyTypes", "app.kubernetes.io/name: postgres\n  policyTypes", "chooses no pod")]
    [InlineData("apiVersion: policy/v1", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\napiVersion: policy/v1", "is written down")]
    [InlineData("runAsUser: 1654", "runAsUser: 0", "names no user")]
    [InlineData("serviceAccountName: lathe-coordinator", "serviceAccountName: lathe-coordinator\n      hostPID: true", "uses hostPID")]
    [InlineData("persistentVolumeClaim:\n          claimName: lathe-store", "hostPath:\n          path: /store", "is a folder of the node")]
    [InlineData("emptyDir:\n          sizeLimit: 64Mi", "emptyDir:\n          medium: Memory", "has no limit")]
    [InlineData("allowPrivilegeEscalation: false", "privileged: true", "is privileged")]
    [InlineData("            - ALL", "            - NET_RAW", "keeps capabilities")]
    [InlineData("restartPolicy: Never", "restartPolicy: OnFailure", "starts its containers again")]
    [InlineData("strategy: gradual", "strategy: default", "ends jobs that run")]
    [InlineData("apiVersion: policy/v1", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: lathe-worker}\n---\napiVersion: policy/v1", "is there twice")]
    [InlineData("port: page\n", "port: pages\n", "no pod has port pages")]
    [InlineData("            cpu:", "            cpus:", "of cpu")]
    public void A_planted_fault_is_found(string right, string wrong, string words)
    {
        var yaml = Manifests.Text("overlays/dev");
        Assert.Contains(right, yaml, StringComparison.Ordinal);
        Assert.Contains(ManifestRules.Problems(Manifests.Objects(yaml.Replace(right, wrong, StringComparison.Ordinal))), p => p.Contains(words, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_object_has_the_fields_of_its_type_and_no_others()
    {
        using var folder = new RenderedFiles();
        foreach (var overlay in Manifests.Overlays) folder.Write($"{overlay}.yaml", Manifests.Text($"overlays/{overlay}"));
        foreach (var component in Manifests.Components) folder.Write($"{component}.yaml", Manifests.WithComponents(component));
        var (code, output, errors) = CheckTypes(folder.Files);
        Assert.True(code == 0, output + errors);
    }

    [Fact]
    public void An_unknown_field_and_a_wrong_value_are_found_in_every_kind_of_object()
    {
        using var folder = new RenderedFiles();
        var faults = new (string Right, string Wrong)[]
        {
            ("maxReplicaCount", "maxReplicaCuont"), ("podReplacementPolicy", "podReplacementPolice"), ("whenCanBorrow: Borrow", "whenCanBorrow: Yes"), ("disableNonTLSListeners", "disableNonTlsListeners"),
            ("initdb:", "initDb:"), ("topologySpreadConstraints", "topologySpreadConstraint"), ("minAvailable: 1", "minAvailable: {}"), ("ingressClassName", "ingressClass"), ("replicas: 2", "replicas: two"),
        };
        var yaml = Manifests.Text("overlays/production");
        foreach (var (right, wrong) in faults)
        {
            Assert.Contains(right, yaml, StringComparison.Ordinal);
            folder.Write($"{wrong.Split(':')[0]}.yaml", yaml.Replace(right, wrong, StringComparison.Ordinal));
        }

        var (code, output, _) = CheckTypes(folder.Files);
        Assert.Equal(1, code);
        Assert.All(folder.Files, file => Assert.Contains(Path.GetFileName(file), output, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Places))]
    public void Every_version_of_a_stage_is_a_scaled_job_on_its_own_queue_that_starts_its_own_executable(string place)
    {
        var objects = Manifests.Objects(Manifests.Text(place));
        foreach (var (stage, version, executable) in Stages)
        {
            var job = objects.Find("ScaledJob", $"stage-{stage}-{version}");
            Assert.Equal((stage, version), (job["metadata"].Label("lathe/stage"), job["metadata"].Label("app.kubernetes.io/version")));
            Assert.Equal(Queues.Stage(stage, version), Assert.Single(job.List("spec.triggers")).Word("metadata.queueName"));
            Assert.Equal($"/app/{executable}", job.Word("spec.jobTargetRef.template.spec.containers.0.command.0"));
            var announcement = objects.Find("Job", $"announce-{stage}").At("spec.template.spec.containers.0");
            Assert.Equal(($"/app/{executable}", "--announce"), (announcement.Word("command.0"), announcement.Word("args.0")));
        }

        Assert.Equal(Stages.Length, objects.Count(o => o.Kind() == "ScaledJob"));
        Assert.Equal(CoordinatorHost.MigrateOption, objects.Find("Job", "migrations").Word("spec.template.spec.containers.0.args.0"));
    }

    [Fact]
    public void Two_classes_of_GPUs_have_queues_and_nodes_of_their_own_and_other_components_reach_both()
    {
        var objects = Manifests.Objects(Manifests.WithComponents("gpu-classes", "s3", "tls", "kueue", "observability"));
        foreach (var (stage, version, _) in Stages.Where(s => s.Stage != "evaluate"))
        {
            var (large, small) = (objects.Find("ScaledJob", $"stage-{stage}-{version}").DeepClone(), objects.Find("ScaledJob", $"stage-{stage}-{version}-small").DeepClone());
            Assert.Equal(("large", "small"), (Class(large), Class(small)));
            Assert.Equal((Queues.Stage(stage, version), Queues.Stage(stage, version, "small")), (large.Word("spec.triggers.0.metadata.queueName"), small.Word("spec.triggers.0.metadata.queueName")));
            Assert.Equal("1", small.At("spec.jobTargetRef.template.spec.containers.0.resources.limits")!["nvidia.com/gpu"]!.ToString());
            Assert.DoesNotContain(Environment(large), e => e.Word("name") == HostingSettings.PoolVariable);
            Assert.Equal("small", Environment(small).Single(e => e.Word("name") == HostingSettings.PoolVariable).Word("value"));
            // But for the class they are the same.
            small.At("spec.jobTargetRef.template.spec.containers.0.env")!.AsArray().RemoveAll(e => e!.Word("name") == HostingSettings.PoolVariable);
            small.At("spec.triggers.0.metadata")!["queueName"] = Queues.Stage(stage, version);
            foreach (var job in new[] { large, small })
            {
                job["metadata"]!["labels"]!.AsObject().Remove("lathe/gpu");
                job.At("spec.jobTargetRef.template.spec")!.AsObject().Remove("nodeSelector");
                foreach (var name in new[] { "name", "namespace" }) job["metadata"]!.AsObject().Remove(name);
            }

            Assert.True(JsonNode.DeepEquals(large, small), $"{large}\nand\n{small}");
        }

        Assert.Equal(Stages.Length, objects.Count(o => o.Kind() == "Job" && o.Name().StartsWith("announce-", StringComparison.Ordinal)));
        static IReadOnlyList<JsonNode> Environment(JsonNode job) => [.. job.List("spec.jobTargetRef.template.spec.containers.0.env")];
        static string? Class(JsonNode job) => job.At("spec.jobTargetRef.template.spec.nodeSelector")?["lathe/gpu"]?.ToString();
    }

    [Theory]
    [MemberData(nameof(Places))]
    public void Every_setting_is_one_that_the_code_reads(string place)
    {
        var objects = Manifests.Objects(Manifests.Text(place));
        var known = typeof(HostingSettings).GetFields().Where(field => field.IsLiteral).Select(field => field.GetRawConstantValue()).OfType<string>()
            .Concat([CoordinatorHost.HttpVariable, DatabaseAddress.Variable, ApiSettings.KeyVariable, ApiSettings.HostsVariable, TelemetrySetup.EndpointVariable])
            .Concat(["AWS_REGION", "SSL_CERT_FILE", "DOTNET_EnableDiagnostics"]).ToHashSet();
        var ours = objects.SelectMany(ManifestRules.Pods).SelectMany(p => p.List("spec.containers")).Where(c => c.Word("image")!.Contains("lathe/", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(ours);
        Assert.All(
            objects.Find("ConfigMap", "lathe-settings")["data"]!.AsObject().Select(s => s.Key).Concat(ours.SelectMany(c => c.List("env")).Select(e => e.Word("name")!)),
            name => Assert.Contains(name, known));
    }

    [Theory]
    [MemberData(nameof(Places))]
    public void The_ports_agree_with_the_settings(string place)
    {
        var objects = Manifests.Objects(Manifests.Text(place));
        var settings = objects.Find("ConfigMap", "lathe-settings")["data"]!;
        Assert.EndsWith(":" + objects.Find("Deployment", "coordinator").Word("spec.template.spec.containers.0.ports.0.containerPort"), settings.Word("LATHE_HTTP"), StringComparison.Ordinal);
        Assert.All(
            objects.Where(o => o.Kind() == "ScaledJob"),
            job => Assert.Equal(settings.Word("LATHE_HEALTH_PORT"), job.Word("spec.jobTargetRef.template.spec.containers.0.ports.0.containerPort")));
        // Every name that a pod of the cluster may call the Service.
        var service = objects.Find("Service", "coordinator").Name();
        Assert.Subset(settings.Word("LATHE_HTTP_HOSTS")!.Split(',').ToHashSet(), new HashSet<string> { service, $"{service}.lathe", $"{service}.lathe.svc", $"{service}.lathe.svc.cluster.local" });
    }

    [Theory]
    [MemberData(nameof(Places))]
    public void Everything_ends_in_the_right_order(string place)
    {
        Assert.True(LatheBus.StageStop < LatheBus.HostStop, "a stage has to have saved its state before its process ends");
        var pods = Manifests.Objects(Manifests.Text(place)).Where(o => o.Kind() == "ScaledJob" || o.Name() == "coordinator").SelectMany(ManifestRules.Pods).ToList();
        Assert.Equal(Stages.Length + 1, pods.Count);
        Assert.All(pods, pod => Assert.True(LatheBus.HostStop.TotalSeconds < long.Parse(pod.Word("spec.terminationGracePeriodSeconds")!, CultureInfo.InvariantCulture), "Kubernetes kills a process that still ends by itself"));
    }

    [Fact]
    public async Task Migrations_prepare_the_database_without_a_broker_and_end()
    {
        using var folder = new RenderedFiles();
        var home = Path.GetDirectoryName(folder.Write("mark", ""))!;
        var store = new CoordinatorStore(DatabaseAddress.In(home));
        Assert.False(await store.ExistsAsync(TestContext.Current.CancellationToken));
        Assert.Equal(0, await CoordinatorHost.RunAsync([CoordinatorHost.MigrateOption, "--home", home]));
        Assert.True(await store.ExistsAsync(TestContext.Current.CancellationToken));
        Assert.Equal(StageHost.UserError, await CoordinatorHost.RunAsync([CoordinatorHost.MigrateOption, "--hoem", home]));
    }

    [Fact]
    public void The_namespace_takes_restricted_pods_alone() =>
        Assert.Equal("restricted", Manifests.Objects(Manifests.Text("base")).Find("Namespace", "lathe")["metadata"].Label("pod-security.kubernetes.io/enforce"));

    [Fact]
    public void The_secrets_of_the_dev_overlay_are_made_new_with_the_keys_that_the_manifests_name()
    {
        var script = Path.Combine(Manifests.Folder, "overlays", "dev", "secrets");
        var (code, first, errors) = Manifests.Run(script);
        Assert.True(code == 0, errors);
        foreach (var secret in Manifests.Objects(first))
            Assert.Equal(ManifestRules.Brought[$"Secret/{secret.Name()}"].Order(), secret["stringData"]!.AsObject().Select(k => k.Key).Order());
        Assert.NotEqual(first, Manifests.Run(script).Output);
    }

    [Fact]
    public void The_guide_lists_what_whoever_runs_the_cluster_brings()
    {
        var guide = File.ReadAllText(Path.Combine(Checkout.Root, "docs", "cluster.md"));
        Assert.All(ManifestRules.Brought, thing =>
        {
            Assert.Contains($"`{thing.Key.Split('/')[1]}`", guide, StringComparison.Ordinal);
            Assert.All(thing.Value, key => Assert.Contains(key, guide, StringComparison.Ordinal));
        });
    }

    internal static (int Code, string Output, string Errors) CheckTypes(IEnumerable<string> files) =>
        Manifests.Run(Manifests.Tool("node"), [Path.Combine(Manifests.TypesFolder(), "check-types.mjs"), .. files]);
}

/// <summary>Files in a folder of their own.</summary>
internal sealed class RenderedFiles : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lathe-rendered-").FullName;

    public IReadOnlyList<string> Files => [.. Directory.EnumerateFiles(_folder).Order()];

    public string Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
