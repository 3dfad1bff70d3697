using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Reports.Tests;

/// <summary>A terminal that can be read.</summary>
internal static class Screen
{
    /// <summary>What stands on a terminal of this width.</summary>
    public static string[] Draw(IRenderable content, int width)
    {
        var text = new StringWriter { NewLine = "\n" };
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = width;
        console.Write(content);
        return [.. text.ToString().TrimEnd('\n').Split('\n').Select(line => line.TrimEnd())];
    }
}
