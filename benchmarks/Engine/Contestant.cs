using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Lathe.NN.Runtime;

namespace Lathe.Benchmarks.Engine;

/// <summary>
/// One way to train, on a thread of its own that computes only while it has the turn. Whole training runs can so be compared step by step
/// in alternation, the machine's better and worse moments falling on all of them alike.
/// </summary>
internal sealed class Contestant : IDisposable
{
    private readonly Thread _thread;
    private readonly SemaphoreSlim _go = new(0);
    private readonly SemaphoreSlim _done = new(0);
    private readonly Stopwatch _watch = new();
    private readonly List<double> _milliseconds = [];
    private readonly Action? _enter;
    private Exception? _fault;
    private int _left;
    private bool _stopping;

    /// <summary>Starts the thread, which waits for its first turn.</summary>
    /// <param name="variant">What it is called in tables.</param>
    /// <param name="precision">What its layers compute with.</param>
    /// <param name="threads">Threads that libtorch computes with.</param>
    /// <param name="train">Trains, calling its argument after each step: a step lasts from one call to the next.</param>
    /// <param name="enter">Sets the process up at the beginning of each turn; null: nothing is to be set.</param>
    public Contestant(string variant, Precision precision, int threads, Action<Action> train, Action? enter = null)
    {
        Variant = variant;
        Precision = precision;
        _enter = enter;
        _thread = new Thread(() => Work(threads, train)) { IsBackground = true, Name = variant };
        _thread.Start();
    }

    public string Variant { get; }

    public Precision Precision { get; }

    /// <summary>Milliseconds of each step since <see cref="Forget"/>.</summary>
    public IReadOnlyList<double> Milliseconds => _milliseconds;

    /// <summary>Lets it make some steps, and waits until it has.</summary>
    public void Turn(int steps)
    {
        _left = steps;
        _go.Release();
        _done.Wait();
        if (_fault is not null)
            ExceptionDispatchInfo.Throw(_fault);
        if (_left > 0)
            throw new InvalidOperationException($"{Variant} ended {_left} steps before its time");
    }

    /// <summary>Drops the times of warming up.</summary>
    public void Forget() => _milliseconds.Clear();

    public void Dispose()
    {
        _stopping = true;
        _go.Release();
        _thread.Join();
        _go.Dispose();
        _done.Dispose();
    }

    private void Work(int threads, Action<Action> train)
    {
        try
        {
            WaitForTurn();
            TorchRuntime.Configure(threads);
            train(Stepped);
        }
        catch (OperationCanceledException) when (_stopping)
        {
            // Asked to leave in the middle of training.
        }
#pragma warning disable CA1031 // It is thrown again where the turn was given.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _fault = e;
        }

        _done.Release();
    }

    private void Stepped()
    {
        _milliseconds.Add(_watch.Elapsed.TotalMilliseconds);
        if (--_left == 0)
        {
            _done.Release();
            WaitForTurn();
        }

        _watch.Restart();
    }

    private void WaitForTurn()
    {
        _go.Wait();
        if (_stopping)
            throw new OperationCanceledException();
        _enter?.Invoke();
        _watch.Restart();
    }
}
