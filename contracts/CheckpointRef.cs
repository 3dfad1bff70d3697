namespace Lathe.Contracts;

/// <summary>Names a checkpoint by its content. Only the store knows its location, so no message contains a path.</summary>
/// <param name="Sha256">Digest of the whole file, 64 lower-case hexadecimal characters.</param>
/// <param name="Bytes">Length of the file in bytes.</param>
public sealed record CheckpointRef(string Sha256, long Bytes);
