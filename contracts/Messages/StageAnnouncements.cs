namespace Lathe.Contracts.Messages;

/// <summary>A worker tells a coordinator which stage it runs. Sent at the worker's start and in answer to <see cref="AnnounceStages"/>.</summary>
/// <param name="Manifest">The stage.</param>
/// <param name="Worker">Name of the worker: host, process id and stage.</param>
/// <param name="About">What else people want to know of the worker; null: a worker of an older release.</param>
public sealed record StageAnnounced(StageManifest Manifest, string Worker, WorkerAbout? About = null);

/// <summary>Published: every worker that is up announces itself to the queue named.</summary>
/// <param name="ReplyTo">Queue name of the coordinator that asks.</param>
public sealed record AnnounceStages(string ReplyTo);
