using System.Text.Json;

namespace Lathe.Contracts.Messages;

/// <summary>
/// Command: run one stage. Sent to the queue <see cref="Queues.Stage(string, string, string)"/>, never published.
/// The header <see cref="Headers.TraceParent"/> carries the span that made the input.
/// </summary>
/// <param name="ExecutionId">Identifies the execution in the coordinator; reports name it.</param>
/// <param name="SweepId">The sweep that asked first.</param>
/// <param name="Key">Execution key (<see cref="ExecutionKey"/>): same key, same result.</param>
/// <param name="Stage">Stage name, for example <c>prune</c>.</param>
/// <param name="Version">Version of the stage that the key was computed for; each version has a queue of its own, and a worker of another version gives the message back.</param>
/// <param name="Parameters">Every parameter of the stage, defaults filled in.</param>
/// <param name="Input">Checkpoint to start from; null for a stage that needs none.</param>
/// <param name="Data">The data set, by content; null for a stage that reads none.</param>
/// <param name="Seed">Seed of every random draw.</param>
/// <param name="Attempt">1 for the first time that the coordinator sent this execution; reports name it.</param>
/// <param name="Fresh">True: accept no result or training state that another sweep left under this key.</param>
/// <param name="ReplyTo">Queue name that the reports go to.</param>
/// <param name="Threads">CPU threads to compute with; null: as many as the worker is set to.</param>
/// <param name="Device">Kind of processor to compute on; null: what the worker is set to. A worker of another kind refuses.</param>
/// <param name="SentAt">When the coordinator sent it; queue wait is measured from here.</param>
public sealed record ExecuteStage(
    Guid ExecutionId,
    Guid SweepId,
    string Key,
    string Stage,
    string Version,
    JsonElement Parameters,
    CheckpointRef? Input,
    DataRef? Data,
    long Seed,
    int Attempt,
    bool Fresh,
    string ReplyTo,
    int? Threads,
    DeviceKind? Device,
    DateTimeOffset SentAt);
