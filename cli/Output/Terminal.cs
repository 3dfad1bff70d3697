using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Output;

/// <summary>Where a command talks to its user. Notices go to standard error, so that standard output can be a command's result alone.</summary>
internal sealed class Terminal
{
    private readonly Lock _gate = new();

    /// <param name="machineReadable">True where standard output carries JSON: then everything for people goes to standard error.</param>
    public Terminal(bool machineReadable = false)
    {
        IsLive = !(machineReadable ? System.Console.IsErrorRedirected : System.Console.IsOutputRedirected);
        Console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(machineReadable ? System.Console.Error : System.Console.Out) });
        // Without a terminal there is no width to ask for; figures fit 80, and longer ways may use more.
        if (!IsLive) Console.Profile.Width = int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), out var columns) && columns >= 80 ? columns : 80;
    }

    public IAnsiConsole Console { get; }

    /// <summary>True where lines can be drawn over.</summary>
    public bool IsLive { get; }

    public int Width => Console.Profile.Width;

    public int Height => Console.Profile.Height;

    /// <summary>One notice.</summary>
    public void Say(string line)
    {
        lock (_gate) System.Console.Error.WriteLine($"lathe: {line}");
    }

    /// <summary>One line of a command's output, never wrapped.</summary>
    public void Line(string line)
    {
        lock (_gate) Console.Profile.Out.Writer.WriteLine(line);
    }

    public void Write(IRenderable content)
    {
        lock (_gate) Console.Write(content);
    }
}
