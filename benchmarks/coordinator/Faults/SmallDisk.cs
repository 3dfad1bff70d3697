using System.Diagnostics;
using Lathe.Contracts;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>A file system in memory that is easily full. Only root may mount one.</summary>
internal sealed class SmallDisk : IDisposable
{
    private SmallDisk(string folder) => Folder = folder;

    public string Folder { get; }

    private string Filler => Path.Combine(Folder, "filler");

    public static SmallDisk Mount(int mebibytes)
    {
        var folder = Directory.CreateTempSubdirectory("lathe-disk-").FullName;
        if (Run("mount", "-t", "tmpfs", "-o", $"size={mebibytes}m", "tmpfs", folder) == 0) return new SmallDisk(folder);
        Directory.Delete(folder);
        throw new LatheException("mount refused: run this as root");
    }

    /// <summary>Leaves no room for anything.</summary>
    public void Fill()
    {
        using var file = File.Create(Filler);
        var block = new byte[4096];
        try
        {
            while (true)
            {
                file.Write(block);
                file.Flush();
            }
        }
        catch (IOException)
        {
            // It is full.
        }
    }

    public void MakeRoom() => File.Delete(Filler);

    public void Dispose()
    {
        Run("umount", "--lazy", Folder);
        Directory.Delete(Folder);
    }

    private static int Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode;
    }
}
