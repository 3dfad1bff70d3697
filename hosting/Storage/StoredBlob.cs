namespace Lathe.Hosting;

/// <summary>A content of a store, as its folder or bucket lists it.</summary>
/// <param name="Name">Relative path with <c>/</c>.</param>
/// <param name="Bytes">Length.</param>
/// <param name="WrittenAt">When it was last written.</param>
internal sealed record StoredBlob(string Name, long Bytes, DateTimeOffset WrittenAt);
