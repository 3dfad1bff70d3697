namespace Lathe.Contracts.Messages;

/// <summary>A worker tells a coordinator which stage it runs. Sent at the worker's start and in answer to <see cref="AnnounceStages"/>.</summary>
public sealed record StageAnnounced(StageManifest Manifest, string Worker);

/// <summary>Published: every worker that is up announces itself to the queue named.</summary>
/// <param name="ReplyTo">Queue name of the coordinator that asks.</param>
public sealed record AnnounceStages(string ReplyTo);
