using Lathe.Cli.Sources;
using Lathe.Contracts;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Cli.Output;

/// <summary>Shows a sweep until it is over: a table that redraws itself on a terminal, lines elsewhere.</summary>
/// <param name="terminal">Where to show it.</param>
/// <param name="read">Asks how the sweep stands.</param>
/// <param name="time">Clock.</param>
internal sealed class SweepWatch(Terminal terminal, Func<CancellationToken, Task<SweepStatus>> read, TimeProvider time)
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(250);

    /// <summary>Follows the sweep to its end. Waits where nobody answers.</summary>
    /// <exception cref="OperationCanceledException">Stopped before.</exception>
    /// <exception cref="LatheException">See <see cref="PatientReading"/>.</exception>
    public async Task<SweepStatus> FollowAsync(CancellationToken stop)
    {
        var first = await PatientReading.ReadAsync(read, Say, time, stop);
        if (!terminal.IsLive)
        {
            var lines = new ProgressLines(terminal.Line);
            return await FollowAsync(first, sweep => lines.Show(sweep, time.GetUtcNow()), (_, trouble) => Say(trouble), stop);
        }

        SweepStatus? last = null;
        await terminal.Console.Live(Render(first)).AutoClear(true).StartAsync(async live =>
            last = await FollowAsync(first, sweep => Draw(live, Render(sweep)), (sweep, trouble) => Draw(live, Render(sweep, trouble)), stop));
        // Once more whole: the live table may have left rows out to fit the terminal.
        terminal.Write(SweepOverview.Screen(last!, time.GetUtcNow(), terminal.Width));
        return last!;
    }

    private static void Draw(LiveDisplayContext live, IRenderable content)
    {
        live.UpdateTarget(content);
        live.Refresh();
    }

    private void Say(string? trouble) => terminal.Say(trouble ?? "there is an answer again");

    /// <summary>How the sweep stood last, and why nothing newer is known.</summary>
    private IRenderable Render(SweepStatus sweep, string? trouble = null)
    {
        if (trouble is null) return SweepOverview.Screen(sweep, time.GetUtcNow(), terminal.Width, terminal.Height);
        var lines = (trouble.Length / terminal.Width) + 1;
        return new Rows(SweepOverview.Screen(sweep, time.GetUtcNow(), terminal.Width, terminal.Height - lines), new Text(trouble, new Style(Color.Yellow)));
    }

    private async Task<SweepStatus> FollowAsync(SweepStatus sweep, Action<SweepStatus> show, Action<SweepStatus, string?> tell, CancellationToken stop)
    {
        var pace = Pace;
        while (true)
        {
            show(sweep);
            if (!Words.GoesOn(sweep.State)) return sweep;
            // What takes long to read is read less often.
            await Task.Delay(pace, time, stop);
            var began = time.GetTimestamp();
            var known = sweep;
            sweep = await PatientReading.ReadAsync(read, trouble => tell(known, trouble), time, stop);
            var rest = time.GetElapsedTime(began) * 4;
            pace = rest > Pace ? rest : Pace;
        }
    }
}
