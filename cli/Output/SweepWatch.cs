using Lathe.Contracts;
using Spectre.Console;

namespace Lathe.Cli.Output;

/// <summary>Shows a sweep until it is over: a table that redraws itself on a terminal, lines elsewhere.</summary>
/// <param name="terminal">Where to show it.</param>
/// <param name="read">Asks how the sweep stands.</param>
/// <param name="time">Clock.</param>
internal sealed class SweepWatch(Terminal terminal, Func<CancellationToken, Task<SweepStatus>> read, TimeProvider time)
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(250);

    /// <summary>Follows the sweep to its end.</summary>
    /// <exception cref="OperationCanceledException">Stopped before.</exception>
    public async Task<SweepStatus> FollowAsync(CancellationToken stop)
    {
        var first = await read(stop);
        if (!terminal.IsLive)
        {
            var lines = new ProgressLines(terminal.Line);
            return await FollowAsync(first, lines.Show, stop);
        }

        SweepStatus? last = null;
        await terminal.Console.Live(Render(first)).AutoClear(true).StartAsync(async live =>
            last = await FollowAsync(
                first,
                (sweep, _) =>
                {
                    live.UpdateTarget(Render(sweep));
                    live.Refresh();
                },
                stop));
        // Once more whole: the live table may have left rows out to fit the terminal.
        terminal.Write(SweepOverview.Screen(last!, time.GetUtcNow(), terminal.Width));
        return last!;
    }

    private Spectre.Console.Rendering.IRenderable Render(SweepStatus sweep) => SweepOverview.Screen(sweep, time.GetUtcNow(), terminal.Width, terminal.Height);

    private async Task<SweepStatus> FollowAsync(SweepStatus sweep, Action<SweepStatus, DateTimeOffset> show, CancellationToken stop)
    {
        var pace = Pace;
        while (true)
        {
            show(sweep, time.GetUtcNow());
            if (!Words.GoesOn(sweep.State)) return sweep;
            // What takes long to read is read less often.
            await Task.Delay(pace, time, stop);
            var began = time.GetTimestamp();
            sweep = await read(stop);
            var rest = time.GetElapsedTime(began) * 4;
            pace = rest > Pace ? rest : Pace;
        }
    }
}
