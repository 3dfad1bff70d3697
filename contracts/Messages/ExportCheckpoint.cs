namespace Lathe.Contracts.Messages;

/// <summary>
/// Request: export a checkpoint into the store. Sent to the queue <see cref="Queues.Export"/>, which every worker serves that can export so, beside its work.
/// </summary>
/// <param name="Sha256">Digest of the checkpoint.</param>
/// <param name="Name">What the files are called, without an ending: letters, digits, dash and underscore.</param>
/// <param name="Format">Name of an <see cref="OfferedExport"/>.</param>
/// <param name="Options">Chosen values by the name of their option; one that is left out has its first value.</param>
public sealed record ExportCheckpoint(string Sha256, string Name, string Format, IReadOnlyDictionary<string, string> Options);

/// <summary>Answer to <see cref="ExportCheckpoint"/>.</summary>
/// <param name="Export">What was exported; null: it cannot be.</param>
/// <param name="Problem">Why not, for a person; null: it was.</param>
public sealed record CheckpointExported(StoredExport? Export, string? Problem);

/// <summary>An export in the store.</summary>
/// <param name="Format">Name of its format.</param>
/// <param name="Options">Values of all of the format's options.</param>
/// <param name="Files">Its files.</param>
/// <param name="Lines">What it holds, and how closely it agrees with the checkpoint: lines for a person.</param>
public sealed record StoredExport(string Format, IReadOnlyDictionary<string, string> Options, IReadOnlyList<StoredFile> Files, IReadOnlyList<string> Lines);

/// <summary>A file of an export.</summary>
/// <param name="Name">Its name, without a folder.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">Digest of its content.</param>
public sealed record StoredFile(string Name, long Bytes, string Sha256);
