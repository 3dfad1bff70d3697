using System.Diagnostics;

namespace Lathe.Testing;

/// <summary>A file system in memory that is easily full. Only root may mount one.</summary>
public sealed class SmallDisk : IDisposable
{
    /// <summary>Why there can be none here, or null; a test that needs one is skipped with it.</summary>
    public static string? Missing { get; } = Environment.IsPrivilegedProcess && Probe() ? null : "only root may mount a small disk, and not in every container";

    private SmallDisk(string folder) => Folder = folder;

    /// <summary>Where it is mounted.</summary>
    public string Folder { get; }

    private string Filler => Path.Combine(Folder, "filler");

    /// <summary>Mounts one.</summary>
    /// <exception cref="InvalidOperationException">This process may not.</exception>
    public static SmallDisk Mount(int mebibytes)
    {
        var folder = Directory.CreateTempSubdirectory("lathe-disk-").FullName;
        if (Run("mount", "-t", "tmpfs", "-o", $"size={mebibytes}m", "tmpfs", folder) == 0) return new SmallDisk(folder);
        Directory.Delete(folder);
        throw new InvalidOperationException("mount refused: run this as root");
    }

    /// <summary>Lets nobody write, or lets everybody write again.</summary>
    public void SetReadOnly(bool isReadOnly)
    {
        if (Run("mount", "-o", isReadOnly ? "remount,ro" : "remount,rw", Folder) != 0) throw new InvalidOperationException($"{Folder} could not be mounted again");
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

    /// <summary>Takes away what <see cref="Fill"/> wrote.</summary>
    public void MakeRoom() => File.Delete(Filler);

    public void Dispose()
    {
        Run("umount", "--lazy", Folder);
        Directory.Delete(Folder);
    }

    private static bool Probe()
    {
        try
        {
            using var disk = Mount(1);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static int Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode;
    }
}
