using Lathe.Contracts;
using Lathe.Coordinator;

namespace Lathe.Cli.Sources;

/// <summary>Reads through an outage: a coordinator that starts again, a database that is away. A sweep outlives both.</summary>
internal static class PatientReading
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(15);

    /// <summary>Reads until there is an answer.</summary>
    /// <param name="read">Asks once.</param>
    /// <param name="tell">Takes what is wrong, in words for the user, whenever that changes; null once there is an answer again.</param>
    /// <param name="time">Clock.</param>
    /// <param name="stop">Gives up.</param>
    /// <exception cref="LatheException">Half an hour passed without an answer (transient), or there is nothing to wait for.</exception>
    public static async Task<T> ReadAsync<T>(Func<CancellationToken, Task<T>> read, Action<string?> tell, TimeProvider time, CancellationToken stop)
    {
        var began = time.GetTimestamp();
        string? told = null;
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                var answer = await read(stop);
                if (told is not null) tell(null);
                return answer;
            }
            catch (Exception e) when (MayPass(e) && !stop.IsCancellationRequested)
            {
                if (time.GetElapsedTime(began) > Patience)
                    throw new LatheException($"{e.Message.TrimEnd('.')}. Nothing was heard of the sweep for {Patience.TotalMinutes:0} minutes", FailureKind.Transient, e);
                if (e.Message != told) tell($"{e.Message.TrimEnd('.')}. The sweep is not lost; this asks again for up to {Patience.TotalMinutes:0} minutes");
                told = e.Message;
            }

            await Task.Delay(pause, time, stop);
        }
    }

    /// <summary>A full disk waits for a person.</summary>
    private static bool MayPass(Exception e) => e is LatheException known ? known.Kind == FailureKind.Transient : Outage.Is(e) && !Outage.IsOfDisk(e);
}
