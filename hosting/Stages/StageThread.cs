namespace Lathe.Hosting;

/// <summary>A thread for one run of a stage: tensor libraries keep scopes by thread, so a run never moves.</summary>
internal static class StageThread
{
    private const int StackBytes = 16 << 20;

    private static int _standing;

    /// <summary>Threads of this process that stand still for ever with all that their runs held: see <see cref="NativeExceptions"/>.</summary>
    public static int Standing => Volatile.Read(ref _standing);

    public static Task<T> Run<T>(string name, Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(
            () =>
            {
                NativeExceptions.Take(e =>
                {
                    Interlocked.Increment(ref _standing);
                    done.SetException(e);
                });
                try
                {
                    done.SetResult(work());
                }
#pragma warning disable CA1031 // Whatever a stage throws is reported by whoever awaits the task.
                catch (Exception e)
#pragma warning restore CA1031
                {
                    done.SetException(e);
                }
            },
            StackBytes)
        {
            Name = $"stage {name}",
            IsBackground = true,
        };
        thread.Start();
        return done.Task;
    }
}
