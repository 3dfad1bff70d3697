using System.Text.Json.Nodes;
using Lathe.Hosting;

namespace Lathe.EndToEnd.Tests;

/// <summary>What every manifest has to keep, whoever renders it.</summary>
internal static class ManifestRules
{
    /// <summary>What whoever runs the cluster brings, with its keys; docs/cluster.md lists it.</summary>
    public static readonly IReadOnlyDictionary<string, string[]> Brought = new Dictionary<string, string[]>
    {
        ["Secret/lathe-secrets"] = ["LATHE_BROKER", "LATHE_DATABASE", "LATHE_API_KEY", "RABBITMQ_HTTP"],
        ["Secret/lathe-bucket"] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
        ["Secret/lathe-tls"] = ["tls.crt", "tls.key"],
        ["Secret/broker-tls"] = ["tls.crt", "tls.key"],
        ["Secret/lathe-database-user"] = ["username", "password"],
        ["Secret/lathe-grafana"] = ["admin-password"],
        ["Secret/lathe-dev"] = ["broker-password", "database-password"],
        ["ConfigMap/lathe-ca"] = ["root.pem"],
    };

    /// <summary>Pods that operators make.</summary>
    private static readonly JsonNode[] OperatorPods =
    [
        JsonNode.Parse("""{"app.kubernetes.io/name": "broker", "app.kubernetes.io/component": "rabbitmq"}""")!,
        JsonNode.Parse("""{"cnpg.io/cluster": "database"}""")!,
    ];

    /// <summary>Everything that is wrong, one line each; empty: nothing is.</summary>
    public static IReadOnlyList<string> Problems(IReadOnlyList<JsonNode> objects) =>
    [
        .. objects.SelectMany(o => Pods(o).SelectMany(p => OfPod(o, p, objects).Select(problem => $"{o.Kind()}/{o.Name()}: {problem}"))),
        .. objects.SelectMany(o => OfObject(o, objects).Select(problem => $"{o.Kind()}/{o.Name()}: {problem}")),
        .. OfAll(objects),
    ];

    private static IEnumerable<string> OfAll(IReadOnlyList<JsonNode> objects)
    {
        if (!objects.Any(o => o.Kind() == "NetworkPolicy" && o.At("spec.podSelector") is JsonObject { Count: 0 } && o.List("spec.policyTypes").Count() == 2 && o.At("spec.ingress") is null && o.At("spec.egress") is null))
            yield return "no NetworkPolicy denies everything by default";
        foreach (var twice in objects.GroupBy(o => (o.Kind(), o.Name())).Where(g => g.Count() > 1)) yield return $"{twice.Key} is there twice";
    }

    private static IEnumerable<string> OfPod(JsonNode owner, JsonNode template, IReadOnlyList<JsonNode> objects)
    {
        var pod = template["spec"]!;
        if (pod.Word("automountServiceAccountToken") != "false") yield return "mounts the token of its service account";
        if (pod.Word("securityContext.runAsNonRoot") != "true") yield return "may run as root";
        if (pod.Word("securityContext.runAsUser") is null or "0") yield return "names no user";
        if (pod.Word("securityContext.seccompProfile.type") != "RuntimeDefault") yield return "has no seccomp profile";
        foreach (var shared in new[] { "hostNetwork", "hostPID", "hostIPC" }.Where(s => pod[s] is not null)) yield return $"uses {shared}";
        if (pod.Word("serviceAccountName") is { } account && !objects.Any(o => o.Kind() == "ServiceAccount" && o.Name() == account)) yield return $"service account {account} is missing";
        foreach (var volume in pod.List("volumes"))
        {
            if (volume["hostPath"] is not null) yield return $"volume {volume["name"]} is a folder of the node";
            if (volume["emptyDir"] is { } scratch && scratch["sizeLimit"] is null) yield return $"volume {volume["name"]} has no limit";
            if (volume.Word("persistentVolumeClaim.claimName") is { } claim && !objects.Any(o => o.Kind() == "PersistentVolumeClaim" && o.Name() == claim)) yield return $"volume claim {claim} is missing";
        }

        foreach (var reference in References(pod))
            if (Missing(reference, objects)) yield return $"{reference.Kind} {reference.Name}{(reference.Key is null ? "" : $", key {reference.Key},")} is missing";
        var volumes = pod.List("volumes").Concat(owner.List("spec.volumeClaimTemplates").Select(v => v["metadata"]!)).Select(v => v.Word("name")).ToHashSet();
        foreach (var container in pod.List("containers").Concat(pod.List("initContainers")))
            foreach (var problem in OfContainer(container, isServing: owner.Kind() != "Job", volumes)) yield return $"container {container["name"]} {problem}";
    }

    private static IEnumerable<string> OfContainer(JsonNode container, bool isServing, HashSet<string?> volumes)
    {
        var image = container.Word("image")!;
        if (!image.Contains("@sha256:", StringComparison.Ordinal) && (image.Split('/')[^1].Split(':') is not [_, var tag] || tag == "latest")) yield return $"has an image without a version: {image}";
        if (image.Contains("bitnami", StringComparison.OrdinalIgnoreCase)) yield return $"has an image that is no longer maintained: {image}";
        if (container.Word("securityContext.allowPrivilegeEscalation") != "false") yield return "may gain privileges";
        if (container.Word("securityContext.readOnlyRootFilesystem") != "true") yield return "may write its root";
        if (container.Word("securityContext.privileged") == "true") yield return "is privileged";
        if (container.Word("securityContext.capabilities.drop.0") != "ALL" || container.At("securityContext.capabilities.add") is not null) yield return "keeps capabilities";
        foreach (var (side, resource) in from s in new[] { "requests", "limits" } from r in new[] { "cpu", "memory", "ephemeral-storage" } select (s, r))
            if (container.At($"resources.{side}.{resource}") is null) yield return $"has no {side} of {resource}";
        var ports = container.List("ports").Select(p => p.Word("name")).ToHashSet();
        foreach (var probe in new[] { "startupProbe", "readinessProbe", "livenessProbe" })
        {
            if (container[probe] is not { } asked)
            {
                if (isServing) yield return $"has no {probe}";
            }
            else if ((asked.Word("httpGet.port") ?? asked.Word("tcpSocket.port")) is { } port && !ports.Contains(port))
            {
                yield return $"is asked on port {port}, which it has not";
            }
        }

        foreach (var mount in container.List("volumeMounts").Select(m => m.Word("name")).Where(m => !volumes.Contains(m))) yield return $"mounts volume {mount}, which is missing";
    }

    private static IEnumerable<string> OfObject(JsonNode node, IReadOnlyList<JsonNode> objects)
    {
        IEnumerable<JsonNode> Chosen(JsonNode? selector) => objects.SelectMany(Pods).Where(p => Matches(selector, p.At("metadata.labels")));
        switch (node.Kind())
        {
            case "Secret":
                yield return "is written down";
                break;
            case "Service":
                foreach (var port in node.List("spec.ports").Select(p => p.Word("targetPort")!))
                    if (!Chosen(node.At("spec.selector")).Any(p => HasPort(p, port))) yield return $"no pod of its selector has port {port}";
                break;
            case "PodDisruptionBudget":
                if (!Chosen(node.At("spec.selector.matchLabels")).Any()) yield return "chooses no pod";
                break;
            case "Ingress":
                foreach (var backend in node.List("spec.rules").SelectMany(r => r.List("http.paths")).Select(p => p.At("backend.service")!))
                    if (!objects.Any(o => o.Kind() == "Service" && o.Name() == backend.Word("name") && o.List("spec.ports").Any(p => p.Word("name") == backend.Word("port.name")))) yield return $"service {backend["name"]} with that port is missing";
                foreach (var secret in node.List("spec.tls").Select(t => t.Word("secretName")!).Where(s => Missing(("Secret", s, null, false), objects))) yield return $"Secret {secret} is missing";
                break;
            case "NetworkPolicy":
                var pods = AllPods(objects, node.At("spec.podSelector")).ToList();
                if (pods.Count == 0) yield return "chooses no pod";
                foreach (var port in node.List("spec.ingress").SelectMany(r => r.List("ports")).Select(p => p.Word("port")!).Where(IsName))
                    if (!pods.Any(p => HasPort(p, port))) yield return $"no pod has port {port}";
                foreach (var rule in node.List("spec.egress"))
                {
                    var targets = rule.List("to").Where(t => t["namespaceSelector"] is null && t["podSelector"] is not null).SelectMany(t => AllPods(objects, t["podSelector"])).ToList();
                    foreach (var port in rule.List("ports").Select(p => p.Word("port")!).Where(IsName))
                        if (!targets.Any(p => HasPort(p, port))) yield return $"no pod has port {port}";
                }

                break;
            case "ScaledJob":
                foreach (var problem in OfScaledJob(node, objects)) yield return problem;
                break;
            case "TriggerAuthentication":
                foreach (var target in node.List("spec.secretTargetRef").Where(t => Missing(("Secret", t.Word("name")!, t.Word("key"), false), objects))) yield return $"Secret {target["name"]}, key {target["key"]}, is missing";
                break;
            case "Job":
                foreach (var wrong in OfJob(node["spec"]!)) yield return wrong;
                break;
        }
    }

    private static IEnumerable<string> OfScaledJob(JsonNode node, IReadOnlyList<JsonNode> objects)
    {
        var job = node.At("spec.jobTargetRef")!;
        foreach (var wrong in OfJob(job)) yield return wrong;
        foreach (var authentication in node.List("spec.triggers").Select(t => t.Word("authenticationRef.name")))
            if (!objects.Any(o => o.Kind() == "TriggerAuthentication" && o.Name() == authentication)) yield return $"TriggerAuthentication {authentication} is missing";
        foreach (var trigger in node.List("spec.triggers").Select(t => t["metadata"]!))
        {
            // A message that a worker computes on has to count until it is done; docs/cluster.md says why.
            if (trigger.Word("excludeUnacknowledged") != "false" || trigger.Word("protocol") != "http" || trigger.Word("mode") != "QueueLength" || trigger.Word("value") != "1") yield return "counts its queue wrongly";
        }

        if (node.Word("spec.scalingStrategy.strategy") != "default") yield return "has another strategy than default";
        if (node.Word("spec.rollout.strategy") != "gradual") yield return "ends jobs that run when it changes";
        if (node.Word("spec.minReplicaCount") != "0") yield return "does not scale to zero";
    }

    private static IEnumerable<string> OfJob(JsonNode job)
    {
        if (!IgnoresDisruptions(job)) yield return "counts a disruption as a failure";
        var wrong = StageHost.UserError.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var containers = job.List("template.spec.containers").Select(c => c.Word("name")).ToHashSet();
        if (!job.List("podFailurePolicy.rules").Any(r => r.Word("action") == "FailJob" && containers.Contains(r.Word("onExitCodes.containerName")) && r.List("onExitCodes.values").Any(v => v.ToString() == wrong)))
            yield return $"tries again after exit code {wrong}, a wrong setting";
        // A pod policy needs it.
        if (job.Word("template.spec.restartPolicy") != "Never") yield return "starts its containers again by itself";
    }

    private static bool IgnoresDisruptions(JsonNode job) =>
        job.List("podFailurePolicy.rules").FirstOrDefault() is { } first && first.Word("action") == "Ignore" && first.Word("onPodConditions.0.type") == "DisruptionTarget";

    /// <summary>Pod templates of an object.</summary>
    public static IEnumerable<JsonNode> Pods(JsonNode node) => node.Kind() switch
    {
        "Deployment" or "StatefulSet" or "Job" => [node.At("spec.template")!],
        "ScaledJob" => [node.At("spec.jobTargetRef.template")!],
        _ => [],
    };

    private static IEnumerable<JsonNode> AllPods(IReadOnlyList<JsonNode> objects, JsonNode? selector)
    {
        bool Fits(JsonNode? labels) => Matches(selector?["matchLabels"], labels) && selector.List("matchExpressions").All(e => e.List("values").Any(v => v.ToString() == labels?[e.Word("key")!]?.ToString()));
        return objects.SelectMany(Pods).Where(p => Fits(p.At("metadata.labels"))).Concat(OperatorPods.Where(Fits));
    }

    private static bool Matches(JsonNode? selector, JsonNode? labels) => (selector as JsonObject ?? []).All(wanted => labels?[wanted.Key]?.ToString() == wanted.Value?.ToString());

    private static bool HasPort(JsonNode pod, string port) => pod.List("spec.containers").SelectMany(c => c.List("ports")).Any(p => p.Word("name") == port || p.Word("containerPort") == port);

    private static bool IsName(string port) => !int.TryParse(port, out _);

    private static IEnumerable<(string Kind, string Name, string? Key, bool IsOptional)> References(JsonNode pod)
    {
        foreach (var container in pod.List("containers").Concat(pod.List("initContainers")))
        {
            foreach (var from in container.List("envFrom"))
                yield return from["secretRef"] is { } secret ? ("Secret", secret.Word("name")!, null, secret.Word("optional") == "true") : ("ConfigMap", from.Word("configMapRef.name")!, null, false);
            foreach (var from in container.List("env").Select(e => e["valueFrom"]).OfType<JsonNode>())
                yield return from["secretKeyRef"] is { } secret ? ("Secret", secret.Word("name")!, secret.Word("key"), false) : ("ConfigMap", from.Word("configMapKeyRef.name")!, from.Word("configMapKeyRef.key"), false);
        }

        foreach (var volume in pod.List("volumes"))
        {
            if (volume["configMap"] is { } map)
            {
                foreach (var key in map.List("items").Select(i => i.Word("key")).DefaultIfEmpty(null)) yield return ("ConfigMap", map.Word("name")!, key, false);
            }

            if (volume["secret"] is { } secret) yield return ("Secret", secret.Word("secretName")!, null, false);
        }
    }

    private static bool Missing((string Kind, string Name, string? Key, bool IsOptional) reference, IReadOnlyList<JsonNode> objects)
    {
        if (Brought.TryGetValue($"{reference.Kind}/{reference.Name}", out var keys)) return reference.Key is not null && !keys.Contains(reference.Key);
        var found = objects.FirstOrDefault(o => o.Kind() == reference.Kind && o.Name() == reference.Name);
        return found is null || (reference.Key is not null && found["data"]?[reference.Key] is null);
    }
}
