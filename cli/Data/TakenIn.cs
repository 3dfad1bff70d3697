using Lathe.Cli.Sweeps;
using Lathe.Contracts;
using Lathe.Coordinator;
using Lathe.Hosting;

namespace Lathe.Cli.Data;

/// <summary>Reads a sweep and imports everything that it names by path or address into the store.</summary>
internal static class TakenIn
{
    /// <summary>Reads a sweep file and imports its networks and weights into the store.</summary>
    /// <param name="file">The sweep file.</param>
    /// <param name="sets">Texts of the options <c>--set</c>.</param>
    /// <param name="isBuiltIn">True: the sweep runs with the stages that come with Lathe alone.</param>
    /// <param name="store">Shared with the workers.</param>
    /// <param name="http">Client to download with.</param>
    /// <param name="say">Prints one line for the user.</param>
    /// <param name="stop">Cancels it.</param>
    /// <exception cref="LatheException">All problems, one line each with its place.</exception>
    public static async Task<SweepDocument> ReadAsync(
        string file, string[] sets, bool isBuiltIn, CheckpointStore store, HttpClient http, Action<string> say, CancellationToken stop)
    {
        var download = new Download(http, say);
        var sweep = await new ImportedModels(store, download, say).TakeInAsync(SweepFile.Read(file, sets, isBuiltIn), stop);
        return await new InitialWeights(store, download, say).TakeInAsync(sweep, stop);
    }
}
