namespace Lathe.Hosting;

/// <summary>Files of a folder, written aside and renamed.</summary>
/// <param name="folder">Made at the first write.</param>
internal sealed class FolderBlobs(string folder) : IBlobs
{
    public string Place { get; } = Path.GetFullPath(folder);

    public bool IsRemote => false;

    public string PlaceOf(string name) => Path.Combine(Place, name);

    public string? FileOf(string name, bool again = false) => File.Exists(PlaceOf(name)) ? PlaceOf(name) : null;

    public Stream? Open(string name)
    {
        try
        {
            return File.OpenRead(PlaceOf(name));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    public void Write(Func<Stream, string> write) => AtomicFile.WriteNamed(Place, stream => PlaceOf(write(stream)));

    public void Delete(string name)
    {
        try
        {
            File.Delete(PlaceOf(name));
        }
        catch (DirectoryNotFoundException)
        {
            // Nothing was ever written.
        }
    }

    public void SetAside(string name, string newName)
    {
        try
        {
            File.Move(PlaceOf(name), PlaceOf(newName), overwrite: true);
        }
        catch (FileNotFoundException)
        {
            // Another reader found the same damage first.
        }
    }

    public IReadOnlyList<(string Name, long Bytes)> List(string start)
    {
        var shelf = new DirectoryInfo(PlaceOf(start[..(start.LastIndexOf('/') + 1)]));
        if (!shelf.Exists) return [];
        return
        [
            .. shelf.EnumerateFiles($"{start[(start.LastIndexOf('/') + 1)..]}*")
                .Select(file => (start[..(start.LastIndexOf('/') + 1)] + file.Name, file.Length))
                .OrderBy(file => file.Item1, StringComparer.Ordinal),
        ];
    }

    public StoredBlob? Find(string name) => new FileInfo(PlaceOf(name)) is { Exists: true } file ? new StoredBlob(name, file.Length, file.LastWriteTimeUtc) : null;

    public IEnumerable<StoredBlob> ListAll()
    {
        var top = new DirectoryInfo(Place);
        if (!top.Exists) yield break;
        foreach (var file in top.EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }))
        {
            var (bytes, writtenAt) = (0L, default(DateTime));
            try
            {
                (bytes, writtenAt) = (file.Length, file.LastWriteTimeUtc);
            }
            catch (FileNotFoundException)
            {
                // On its way when the folder was read.
                continue;
            }

            yield return new StoredBlob(Path.GetRelativePath(Place, file.FullName).Replace(Path.DirectorySeparatorChar, '/'), bytes, writtenAt);
        }
    }
}
