using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Lathe.Hosting;

/// <summary>Files that are there whole or not at all: written aside, flushed to the disk, then renamed, and the new name flushed.</summary>
internal static partial class AtomicFile
{
    /// <summary>Ending of the name of a file that is being written.</summary>
    public const string Aside = ".writing";

    private const int CloseOnExec = 0x80000;

    /// <summary>Writes a file whole or not at all; a writer that throws leaves what was there before.</summary>
    /// <param name="path">The file; missing folders are made.</param>
    /// <param name="write">Writes the content.</param>
    public static void Write(string path, Action<Stream> write) => WriteNamed(Path.GetDirectoryName(path)!, stream =>
    {
        write(stream);
        return path;
    });

    /// <summary>Writes text in UTF-8.</summary>
    public static void WriteText(string path, string text) =>
        Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));

    /// <summary>Writes files that belong together: only when all are on the disk does the first take its place.</summary>
    /// <param name="files">Paths in folders that are there, and contents.</param>
    public static void WriteAll((string Path, ReadOnlyMemory<byte> Content)[] files)
    {
        if (files is not [var (path, content), .. var others]) return;
        WriteAside(Path.GetDirectoryName(path)!, Whole, (aside, _) =>
        {
            WriteAll(others);
            Rename(aside, path);
        });

        string Whole(Stream stream)
        {
            stream.Write(content.Span);
            return path;
        }
    }

    /// <summary>The same for a file whose name depends on its content.</summary>
    /// <param name="folder">Folder to write aside in, of the same file system as the final place.</param>
    /// <param name="write">Writes the content and gives the final path; null drops what was written.</param>
    internal static void WriteNamed(string folder, Func<Stream, string?> write) => WriteAside(folder, write, (aside, path) =>
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        Rename(aside, path);
    });

    /// <summary>Writes a file aside and has it taken to its place; whatever happens, nothing is left aside.</summary>
    /// <param name="folder">Folder to write aside in.</param>
    /// <param name="write">Writes the content and gives its name; null drops what was written.</param>
    /// <param name="place">Takes the file, flushed to the disk, and its name.</param>
    internal static void WriteAside(string folder, Func<Stream, string?> write, Action<string, string> place)
    {
        Directory.CreateDirectory(folder);
        var aside = Path.Combine(folder, $".{Guid.NewGuid():N}{Aside}");
        try
        {
            string? name;
            using (var file = new FileStream(aside, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16))
            {
                name = write(new KeptOpen(file));
                file.Flush(flushToDisk: true);
            }

            if (name is not null) place(aside, name);
        }
        finally
        {
            File.Delete(aside);
        }
    }

    /// <summary>Takes a file to its place. The new name outlasts a loss of power once the folder, too, is on the disk.</summary>
    private static void Rename(string aside, string path)
    {
        File.Move(aside, path, overwrite: true);
        if (!OperatingSystem.IsLinux()) return;
        // .NET opens no folders.
        using var folder = new SafeFileHandle(Open(Path.GetDirectoryName(path)!, CloseOnExec), ownsHandle: true);
        if (!folder.IsInvalid) RandomAccess.FlushToDisk(folder);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    /// <summary>Writers that end by closing their stream are common; the file is still to be flushed to the disk then.</summary>
    private sealed class KeptOpen(FileStream file) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => true;

        public override long Length => file.Length;

        public override long Position
        {
            get => file.Position;
            set => file.Position = value;
        }

        public override void Write(ReadOnlySpan<byte> buffer) => file.Write(buffer);

        public override void Write(byte[] buffer, int offset, int count) => file.Write(buffer, offset, count);

        public override void WriteByte(byte value) => file.WriteByte(value);

        public override void Flush() => file.Flush();

        public override long Seek(long offset, SeekOrigin origin) => file.Seek(offset, origin);

        public override void SetLength(long value) => file.SetLength(value);

        public override int Read(byte[] buffer, int offset, int count) => file.Read(buffer, offset, count);

        public override int Read(Span<byte> buffer) => file.Read(buffer);
    }
}
