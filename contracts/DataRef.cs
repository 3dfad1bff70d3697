namespace Lathe.Contracts;

/// <summary>Names a data set and pins its content. Each worker finds the files itself and checks the fingerprint.</summary>
/// <param name="Name">For example <c>fashion-mnist</c>.</param>
/// <param name="Fingerprint">SHA-256 over the data set's files, 64 lower-case hexadecimal characters.</param>
public sealed record DataRef(string Name, string Fingerprint);
