namespace Lathe.Hosting;

/// <summary>Files of a folder, written aside and renamed.</summary>
/// <param name="folder">Made at the first write.</param>
public sealed class FolderBlobs(string folder) : IBlobs
{
    public string Place { get; } = Path.GetFullPath(folder);

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
}
