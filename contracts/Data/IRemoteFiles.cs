namespace Lathe.Contracts;

/// <summary>Remote files that are read in parts, by their full paths. Safe for many threads at once.</summary>
public interface IRemoteFiles
{
    /// <summary>Bytes of a file.</summary>
    long LengthOf(string path);

    /// <summary>Reads a part of a file.</summary>
    /// <param name="path">One of these files.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="bytes">Filled, all of it.</param>
    /// <exception cref="LatheException">It cannot be read now, or it was replaced.</exception>
    void Read(string path, long offset, Memory<byte> bytes);

    /// <summary>A note about the file's present content, or null. Notes are kept, so that nothing is computed again at the next start.</summary>
    /// <param name="path">One of these files.</param>
    /// <param name="about">Subject of the note.</param>
    string? Recall(string path, string about);

    /// <summary>Notes something of the file's present content.</summary>
    void Note(string path, string about, string text);
}
