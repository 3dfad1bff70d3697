using System.Diagnostics;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace Lathe.Benchmarks.Coordinator;

/// <summary>
/// Where the time between a report's arrival at a coordinator and the confirmed message of what follows goes. It hears what MassTransit, Npgsql and EF tell of themselves, and is for
/// one report at a time.
/// </summary>
internal sealed class CoordinatorTrace : IObserver<DiagnosticListener>, IObserver<KeyValuePair<string, object?>>, IDisposable
{
    private readonly Lock _one = new();
    private readonly List<Way> _ways = [];
    private readonly List<IDisposable> _heard = [];
    private readonly ActivityListener _listener;
    private long _received;
    private long _last;
    private long _sending;
    private Way _now = new();

    public CoordinatorTrace()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is "MassTransit" or "Npgsql",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStarted = Started,
            ActivityStopped = Stopped,
        };
        ActivitySource.AddActivityListener(_listener);
        _heard.Add(DiagnosticListener.AllListeners.Subscribe(this));
    }

    /// <summary>Medians in milliseconds, in one line; begins anew.</summary>
    public string Line()
    {
        lock (_one)
        {
            double Median(Func<Way, double> of) => Share.Of(_ways.ConvertAll(w => of(w)), 0.5);
            var line = FormattableString.Invariant(
                $"{_ways.Count} reports: to the first statement {Median(w => w.First):0.0}, {Median(w => w.Statements):0} statements {Median(w => w.InStatements):0.0}, between them {Median(w => w.Between):0.0}, commit {Median(w => w.Commit):0.0}, to the sending {Median(w => w.ToSending):0.0}, sending {Median(w => w.Sending):0.0}, all {Median(w => w.All):0.0} ms");
            var steps = _ways.Count == 0 ? [] : _ways.OrderBy(w => w.All).ElementAt(_ways.Count / 2).Steps;
            _ways.Clear();
            return line + string.Concat(steps.Select(s => " | " + s));
        }
    }

    public void OnNext(DiagnosticListener value)
    {
        if (value.Name == DbLoggerCategory.Name) _heard.Add(value.Subscribe(this, name => name == RelationalEventId.TransactionCommitted.Name));
    }

    public void OnNext(KeyValuePair<string, object?> value)
    {
        if (value.Value is not TransactionEndEventData end) return;
        lock (_one)
        {
            if (_received == 0 || _sending != 0) return;
            _now.Commit += end.Duration.TotalMilliseconds;
            _now.Commits++;
            _last = Stopwatch.GetTimestamp();
        }
    }

    public void OnCompleted()
    {
    }

    public void OnError(Exception error)
    {
    }

    public void Dispose()
    {
        _listener.Dispose();
        foreach (var heard in _heard) heard.Dispose();
    }

    private void Started(Activity activity)
    {
        lock (_one)
        {
            var now = Stopwatch.GetTimestamp();
            if (activity.Source.Name == "Npgsql")
            {
                if (_received == 0 || _sending != 0) return;
                if (_now.Statements == 0) _now.First = Milliseconds(_received, now);
                else _now.Between += Milliseconds(_last, now);
            }
            else if (activity.Kind == ActivityKind.Consumer && activity.OperationName.EndsWith("receive", StringComparison.Ordinal))
            {
                (_received, _last, _sending, _now) = (now, now, 0, new Way());
            }
            else if (activity.Kind == ActivityKind.Producer && _received != 0 && _sending == 0)
            {
                (_sending, _now.ToSending) = (now, Milliseconds(_last, now));
            }
        }
    }

    private void Stopped(Activity activity)
    {
        lock (_one)
        {
            var now = Stopwatch.GetTimestamp();
            if (activity.Source.Name == "Npgsql")
            {
                if (_received == 0 || _sending != 0) return;
                _now.Statements++;
                _now.InStatements += activity.Duration.TotalMilliseconds;
                _last = now;
                _now.IsOther |= Text(activity).StartsWith("INSERT INTO sweeps", StringComparison.Ordinal) || Text(activity).StartsWith("UPDATE sweeps", StringComparison.Ordinal);
                _now.Steps.Add(FormattableString.Invariant($"{Milliseconds(_received, now),6:0.0} ms, took {activity.Duration.TotalMilliseconds:0.0}: {Text(activity)}"));
            }
            else if (activity.Kind == ActivityKind.Producer && _sending != 0)
            {
                (_now.Sending, _now.All) = (Milliseconds(_sending, now), Milliseconds(_received, now));
                // Otherwise the message is the first one of the next sweep: nothing followed from the report.
                if (_now.Commits == 1 && !_now.IsOther) _ways.Add(_now);
                (_received, _sending) = (0, 0);
            }
        }
    }

    private static string Text(Activity activity)
    {
        var text = string.Join(' ', (activity.GetTagItem("db.query.text") as string ?? activity.GetTagItem("db.statement") as string ?? activity.DisplayName).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return text.Length <= 90 ? text : text[..90];
    }

    private static double Milliseconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;

    /// <summary>From one report to one message, in milliseconds.</summary>
    private sealed class Way
    {
        /// <summary>True where a sweep ended or another one began.</summary>
        public bool IsOther { get; set; }

        public List<string> Steps { get; } = [];

        public double First { get; set; }

        public int Statements { get; set; }

        public double InStatements { get; set; }

        public double Between { get; set; }

        public double Commit { get; set; }

        public int Commits { get; set; }

        public double ToSending { get; set; }

        public double Sending { get; set; }

        public double All { get; set; }
    }
}
