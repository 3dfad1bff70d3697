using System.Text.Json;
using System.Text.Json.Nodes;
using Lathe.Contracts;

namespace Lathe.Cli.Output;

/// <summary>Results for programs: an array with one object for each leaf.</summary>
internal static class ResultsJson
{
    private const string Option = "--json";

    /// <summary>With the figures of a row before the long way to it.</summary>
    public static string Text(IReadOnlyList<LeafResult> leaves)
    {
        const string Way = "stages";
        var rows = JsonSerializer.SerializeToNode(leaves, LatheJson.Options)!.AsArray();
        foreach (var row in rows.OfType<JsonObject>())
        {
            if (row.Remove(Way, out var way)) row.Add(Way, way);
        }

        return rows.ToJsonString(LatheJson.Indented) + "\n";
    }

    /// <summary>Refuses a file that could not be written, before hours are spent on what should go into it.</summary>
    /// <param name="file">As given with <c>--json</c>; null and <c>-</c> pass.</param>
    /// <exception cref="LatheException">It is a folder, its folder is not there, or nothing can be written there.</exception>
    public static void Check(string? file)
    {
        if (file is not (null or "-")) OutputFile.Check(Option, file);
    }

    /// <summary>Writes a file, whole or not at all; <c>-</c> is standard output.</summary>
    /// <exception cref="LatheException">The file cannot be written.</exception>
    public static void Write(IReadOnlyList<LeafResult> leaves, string file)
    {
        if (file == "-") Console.Out.Write(Text(leaves));
        else OutputFile.Write(Option, file, Text(leaves));
    }
}
