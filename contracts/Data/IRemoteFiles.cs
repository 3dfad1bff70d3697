namespace Lathe.Contracts;

/// <summary>Files that lie on no disk of this machine and are read in parts, by their full paths. For many threads at once.</summary>
public interface IRemoteFiles
{
    /// <summary>Bytes of a file.</summary>
    long LengthOf(string path);

    /// <summary>Reads a part of a file.</summary>
    /// <param name="path">One of these files.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="bytes">Filled, all of it.</param>
    /// <exception cref="LatheException">It cannot be read now, or is no longer what it was.</exception>
    void Read(string path, long offset, Memory<byte> bytes);

    /// <summary>What was noted of the file's present content, or null: found out once, known at the next start.</summary>
    /// <param name="path">One of these files.</param>
    /// <param name="about">What the note is about.</param>
    string? Recall(string path, string about);

    /// <summary>Notes something of the file's present content.</summary>
    void Note(string path, string about, string text);
}
