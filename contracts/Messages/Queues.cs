namespace Lathe.Contracts.Messages;

/// <summary>Names on the bus. They are part of the contract: a stage from outside and a KEDA scaler use them too.</summary>
public static class Queues
{
    /// <summary>Reports and announcements for the cluster's coordinator.</summary>
    public const string Coordinator = "lathe.coordinator";

    /// <summary>Messages that no worker could take, kept for a person to look at.</summary>
    public const string Dead = "lathe.dead";

    /// <summary>Work for one version of a stage: <c>stage.prune.9</c>. After an upgrade, workers of the old version finish the old sweeps.</summary>
    public static string Stage(string stage, string version) => $"stage.{stage}.{version}";

    /// <summary>The same for a pool of its workers (<see cref="WorkerPool"/>): <c>stage.prune.9.pool.gpu-large</c>.</summary>
    /// <param name="stage">Name of the stage.</param>
    /// <param name="version">Version of the stage.</param>
    /// <param name="pool">Name of the pool; null: the workers that are in none.</param>
    public static string Stage(string stage, string version, string? pool) => pool is null ? Stage(stage, version) : $"{Stage(stage, version)}.pool.{pool}";

    /// <summary>Questions to one version of a stage, which its workers answer while they compute: <c>stage.prune.9.check</c>.</summary>
    public static string Check(string stage, string version) => $"stage.{stage}.{version}.check";

    /// <summary>Requests to export checkpoints in one format, which workers answer while they compute: <c>lathe.export.onnx</c>.</summary>
    public static string Export(string format) => $"lathe.export.{format}";
}

/// <summary>Names of message headers.</summary>
public static class Headers
{
    /// <summary>W3C trace context: on a command the span that made the input, on a report the stage's own span.</summary>
    public const string TraceParent = "traceparent";
}
