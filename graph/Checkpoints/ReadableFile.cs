using Lathe.Contracts;

namespace Lathe.Graph.Checkpoints;

/// <summary>Files that hold networks and weights.</summary>
internal static class ReadableFile
{
    private const int BlockBytes = 1 << 20;

    /// <summary>Opens a file to be read from its start to its end.</summary>
    /// <exception cref="LatheException">It is not there or not readable.</exception>
    public static FileStream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, BlockBytes, FileOptions.SequentialScan);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new LatheException($"there is no file {path}", inner: e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LatheException($"{path} cannot be opened: {e.Message}", inner: e);
        }
    }
}
