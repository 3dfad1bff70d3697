using System.Globalization;
using Lathe.Contracts;
using Lathe.Contracts.Panels;
using Lathe.Evaluator.Latency;
using Lathe.NN.Data;
using Lathe.NN.Training;

namespace Lathe.Evaluator;

/// <summary>Pictures and tables of an evaluation: its classes, what was taken for what, and times.</summary>
public static class EvaluatePanels
{
    private const string Section = "Classes";
    private const string Details = "class-details";

    // Of more the worst are shown: a thousand classes would fill many screens.
    private const int MostClasses = 24;

    /// <summary>What an evaluation found.</summary>
    /// <param name="record">Kept beside its figures; null: nothing.</param>
    /// <param name="metrics">Its figures.</param>
    /// <param name="dataset">Name of the data set, which may have names for its classes.</param>
    public static IReadOnlyList<Panel> Of(EvaluationRecord? record, IReadOnlyDictionary<string, double> metrics, string dataset)
    {
        string Name(int label) => ClassNames.Of(dataset, label);
        var panels = new List<Panel>();
        if (LatencyPanel.Of(metrics) is { } latency) panels.Add(latency);
        if (record is null) return panels;
        var shown = Shown(record);
        panels.Add(Classes(record, shown, Name));
        panels.Add(ClassDetails(record, shown, Name));
        if (record.Confusion is { } confusion) panels.Add(Confusion(record, confusion, Name));
        return panels;
    }

    /// <summary>Classes that are shown: all, or those told apart worst.</summary>
    private static List<int> Shown(EvaluationRecord record)
    {
        var classes = Enumerable.Range(0, record.Images.Count);
        return record.Images.Count <= MostClasses ? [.. classes]
            : [.. classes.Where(c => record.Images[c] > 0).OrderBy(c => Right(record, c)).Take(MostClasses)];
    }

    /// <summary>Share of a class's images classified right; null where there are none.</summary>
    private static double? Right(EvaluationRecord record, int label) => record.Images[label] == 0 ? null : record.Right[label] / (double)record.Images[label];

    private static string Caption(EvaluationRecord record, string what) =>
        record.Images.Count <= MostClasses ? what : $"{what} The {MostClasses} of {record.Images.Count} classes told apart worst.";

    private static TablePanel Classes(EvaluationRecord record, List<int> shown, Func<int, string> name) => new(
        "classes", "Accuracy by class", [new("class", IsText: true), new("images", MetricFormat.Count), new("right %", MetricFormat.Percent)],
        [.. shown.Select(c => (IReadOnlyList<TableCell>)[name(c), record.Images[c], Right(record, c)])])
    {
        Section = Section, Merges = true, Keys = 2, Figures = Details, Caption = Caption(record, "Share of each class's test images classified right."),
    };

    private static TablePanel ClassDetails(EvaluationRecord record, List<int> shown, Func<int, string> name) => new(
        Details, "Classes",
        [new("class", IsText: true), new("images", MetricFormat.Count), new("right %", MetricFormat.Percent), new("most often taken for", IsText: true)],
        [.. shown.Select(c => (IReadOnlyList<TableCell>)[name(c), record.Images[c], Right(record, c), Worst(record, c) is { } m ? $"{name(m.TakenFor)} ({m.Images})" : ""])])
    {
        Section = Section, IsDetail = true, Caption = Caption(record, ""),
    };

    private static HeatMap Confusion(EvaluationRecord record, IReadOnlyList<int[]> confusion, Func<int, string> name)
    {
        IReadOnlyList<string> names = [.. Enumerable.Range(0, confusion.Count).Select(name)];
        var images = Math.Max(1, record.Images.Sum());
        return new HeatMap(
            "confusion", "Confusion matrix", "what images show", "taken for", names, names, [.. confusion.Select(row => (IReadOnlyList<double>)[.. row.Select(n => (double)n)])])
        {
            Section = Section,
            IsDiagonalRight = true,
            Caption = string.Create(CultureInfo.InvariantCulture, $"{100.0 * record.Right.Sum() / images:0.00}% right."),
        };
    }

    /// <summary>What a class was taken for most often; of very many classes only what is among the worst of all is known.</summary>
    private static Mistake? Worst(EvaluationRecord record, int label) => record.Confusion is { } confusion
        ? new ConfusionMatrix([.. confusion.Select((row, i) => i == label ? row : new int[row.Length])]).Mistakes(1) is [var worst] ? worst : null
        : record.Mistakes.FirstOrDefault(m => m.Label == label);
}
