using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Text;
using CsCheck;

// In `Lathe`, not in a namespace of its own: a property of `Lathe.X.Tests` finds these before CsCheck's, which draw other cases in every run.
namespace Lathe;

/// <summary>
/// CsCheck's <c>Sample</c> with the same cases in every run: a test that passes once passes always, whatever the number of threads.
/// The cases follow from the name of the property. <c>LATHE_PROPERTY_SEED</c> draws others (<c>random</c>, or any text).
/// A case that fails is handed to CsCheck, which looks for a smaller one and prints its seed.
/// </summary>
internal static class SeededSampling
{
    private static readonly string Explored = Environment.GetEnvironmentVariable("LATHE_PROPERTY_SEED") switch
    {
        null or "" => "",
        "random" => Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture),
        var chosen => chosen,
    };

    public static void Sample<T>(this Gen<T> gen, Action<T> assert, long iter = 100, int threads = 0, Func<T, string>? print = null, string? seed = null, [CallerMemberName] string property = "")
    {
        if (seed is not null)
        {
            Check.Sample(gen, assert, seed: seed, iter: 1, threads: 1, print: print);
            return;
        }

        var stream = Stream(property);
        try
        {
            var most = threads > 0 ? threads : Environment.ProcessorCount;
            // One after the other is on the caller's thread: some settings, as libtorch's number of threads, belong to a thread.
            if (most == 1 || iter == 1)
            {
                for (var i = 0L; i < iter; i++) One(i, () => { });
                return;
            }

            Parallel.For(0, iter, new ParallelOptions { MaxDegreeOfParallelism = most }, (i, loop) => One(i, loop.Stop));

            void One(long i, Action stop)
            {
                var random = Case(stream, i);
                var drawnFrom = random.State;
                var drawn = gen.Generate(random, null, out _);
                try
                {
                    assert(drawn);
                }
                catch (Exception e)
                {
                    stop();
                    Check.Sample(gen, assert, seed: random.ToString(drawnFrom), iter: Math.Max(iter, 100), threads: 1, print: print);
                    throw Unsteady(property, i, e);
                }
            }
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }

    public static void Sample<T1, T2>(
        this Gen<(T1, T2)> gen, Action<T1, T2> assert, long iter = 100, int threads = 0, Func<(T1, T2), string>? print = null, string? seed = null, [CallerMemberName] string property = "") =>
        gen.Sample(t => assert(t.Item1, t.Item2), iter, threads, print, seed, property);

    public static void Sample<T1, T2, T3>(
        this Gen<(T1, T2, T3)> gen, Action<T1, T2, T3> assert, long iter = 100, int threads = 0, Func<(T1, T2, T3), string>? print = null, string? seed = null, [CallerMemberName] string property = "") =>
        gen.Sample(t => assert(t.Item1, t.Item2, t.Item3), iter, threads, print, seed, property);

    public static void Sample<T1, T2, T3, T4>(
        this Gen<(T1, T2, T3, T4)> gen, Action<T1, T2, T3, T4> assert, long iter = 100, int threads = 0, Func<(T1, T2, T3, T4), string>? print = null, string? seed = null, [CallerMemberName] string property = "") =>
        gen.Sample(t => assert(t.Item1, t.Item2, t.Item3, t.Item4), iter, threads, print, seed, property);

    public static async Task SampleAsync<T>(
        this Gen<T> gen, Func<T, Task> assert, long iter = 100, int threads = 0, Func<T, string>? print = null, string? seed = null, [CallerMemberName] string property = "")
    {
        if (seed is not null)
        {
            await Check.SampleAsync(gen, assert, seed: seed, iter: 1, threads: 1, print: print);
            return;
        }

        var stream = Stream(property);
        await Parallel.ForAsync(0, iter, new ParallelOptions { MaxDegreeOfParallelism = threads > 0 ? threads : Environment.ProcessorCount }, async (i, stop) =>
        {
            var random = Case(stream, i);
            var drawnFrom = random.State;
            var drawn = gen.Generate(random, null, out _);
            try
            {
                await assert(drawn);
            }
            catch (Exception e)
            {
                await Check.SampleAsync(gen, assert, seed: random.ToString(drawnFrom), iter: Math.Max(iter, 100), threads: 1, print: print);
                throw Unsteady(property, i, e);
            }
        });
    }

    private static InvalidOperationException Unsteady(string property, long index, Exception failure) =>
        new($"{property} failed for case {index} and passed when the same case was tried again: it depends on more than what is drawn.", failure);

    /// <summary>FNV-1a of the property's name: <see cref="string.GetHashCode()"/> differs from process to process.</summary>
    private static uint Stream(string property)
    {
        var hash = 2166136261u;
        foreach (var octet in Encoding.UTF8.GetBytes(property + Explored)) hash = (hash ^ octet) * 16777619u;
        return hash & 0x7FFF_FFFF;
    }

    /// <summary>The random numbers of one case. The first are left out: neighbouring seeds begin alike.</summary>
    private static PCG Case(uint stream, long index)
    {
        var random = new PCG(stream, (ulong)index * 0x9E37_79B9_7F4A_7C15);
        for (var i = 0; i < 4; i++) random.Next();
        return random;
    }
}
