using Lathe.Conformance.Checks;
using Lathe.Conformance.Wire;
using Lathe.Contracts;

namespace Lathe.Conformance;

/// <summary>
/// Asks a running worker of a stage, over the broker and as a coordinator would, whether it keeps to docs/wire.md. One kit asks one stage;
/// its checks share runs, so ask them all of one kit, in any order, one at a time.
/// </summary>
public sealed class StageConformance : IAsyncDisposable
{
    private static readonly IReadOnlyList<StageCheckOf> All =
        [.. Announcing.All, .. Questions.All, .. Results.All, .. Deliveries.All, .. Interruptions.All, .. Manners.All];

    private readonly CoordinatorSeat _seat;
    private readonly Runs _runs;

    private StageConformance(CoordinatorSeat seat, ConformanceOptions options) => (_seat, _runs) = (seat, new Runs(options, seat));

    /// <summary>Names of the checks, in the order in which a person reads them.</summary>
    public static IReadOnlyList<string> Checks { get; } = [.. All.Select(check => check.Name)];

    /// <summary>What holds where a check passes.</summary>
    public static string ClaimOf(string check) => Find(check).Claim;

    /// <summary>Connects to the broker.</summary>
    /// <exception cref="LatheException">The settings name no broker, or it does not answer.</exception>
    public static async Task<StageConformance> OpenAsync(ConformanceOptions options, CancellationToken stop = default) =>
        new(await CoordinatorSeat.OpenAsync(options.Settings.Broker ?? throw new LatheException("the kit needs a broker"), stop), options);

    /// <summary>Looks for a worker of the stage, without which nothing can be asked.</summary>
    /// <exception cref="LatheException">None announces itself; the message says who does, and what to do.</exception>
    public async Task FindAsync(CancellationToken stop = default)
    {
        try
        {
            await _runs.FindAsync(stop);
        }
        catch (RefutedException e)
        {
            throw new LatheException(e.Message);
        }
    }

    /// <summary>Asks one thing.</summary>
    /// <param name="check">Name of the check.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">There is no such check, or the broker or the store does not answer.</exception>
    public async Task<CheckResult> CheckAsync(string check, CancellationToken stop = default)
    {
        var asked = Find(check);
        var (verdict, detail) = (Verdict.Passed, "");
        try
        {
            detail = await asked.AskAsync(_runs, stop);
        }
        catch (RefutedException e)
        {
            (verdict, detail) = (Verdict.Failed, e.Message);
        }
        catch (NotAskedException e)
        {
            (verdict, detail) = (Verdict.NotAsked, e.Message);
        }
        catch (Exception e) when (e is not (LatheException or OperationCanceledException) && !_seat.IsOpen)
        {
            throw Lost(e);
        }

        // Whatever was found then says nothing of the stage.
        if (verdict != Verdict.Passed && !_seat.IsOpen) throw Lost(null);

        return new CheckResult(asked.Name, asked.Claim, verdict, detail);
    }

    public ValueTask DisposeAsync() => _seat.DisposeAsync();

    private LatheException Lost(Exception? cause) => new($"the connection with the broker at {_runs.Options.Settings.Broker} is lost; start the broker, and ask again", FailureKind.Transient, cause);

    private static StageCheckOf Find(string check) =>
        All.FirstOrDefault(c => c.Name == check) ?? throw new LatheException($"there is no check '{check}'; the checks are {string.Join(", ", Checks)}");
}

/// <summary>One thing that is asked of a stage.</summary>
/// <param name="Name">Lower-case word.</param>
/// <param name="Claim">What holds where it passes.</param>
/// <param name="AskAsync">Asks; gives a remark, or nothing. It throws <see cref="RefutedException"/> or <see cref="NotAskedException"/>.</param>
internal sealed record StageCheckOf(string Name, string Claim, Func<Runs, CancellationToken, Task<string>> AskAsync);
