using System.Diagnostics;

namespace Lathe.Testing;

/// <summary>Waits for what must become true, instead of sleeping.</summary>
public static class Eventually
{
    /// <summary>Asks until the condition holds.</summary>
    /// <param name="condition">Asked every 20 ms.</param>
    /// <param name="what">What is waited for, for the message.</param>
    /// <param name="seconds">Patience.</param>
    /// <exception cref="TimeoutException">It did not become true in time.</exception>
    public static Task True(Func<bool> condition, string what, double seconds = 90) => TrueAsync(() => Task.FromResult(condition()), what, seconds);

    /// <inheritdoc cref="True"/>
    public static async Task TrueAsync(Func<Task<bool>> condition, string what, double seconds = 90)
    {
        var waited = Stopwatch.StartNew();
        while (!await condition())
        {
            if (waited.Elapsed.TotalSeconds > seconds) throw new TimeoutException($"waited {seconds:0.#} s for: {what}");
            await Task.Delay(20);
        }
    }
}
