using Spectre.Console;
using Spectre.Console.Rendering;

namespace Lathe.Reports.Terminals;

/// <summary>A column of a <see cref="TextTable"/>.</summary>
/// <param name="Title">Its head.</param>
/// <param name="IsRight">True: aligned to the right, as numbers are.</param>
/// <param name="Wraps">True: long cells may go on in another line.</param>
public sealed record TextColumn(string Title, bool IsRight = false, bool Wraps = false)
{
    public static implicit operator TextColumn(string title) => new(title);
}

/// <summary>A table without lines, as every command prints it.</summary>
public sealed class TextTable
{
    /// <summary>Spaces between columns.</summary>
    public const int UsualGap = 2;

    private readonly Table _table = new Table().Border(TableBorder.None);

    /// <param name="columns">From left to right.</param>
    public TextTable(params IReadOnlyList<TextColumn> columns)
        : this(columns, UsualGap)
    {
    }

    /// <param name="columns">From left to right.</param>
    /// <param name="gap">Spaces between them.</param>
    /// <param name="indent">Spaces before the first.</param>
    public TextTable(IReadOnlyList<TextColumn> columns, int gap, int indent = 0)
    {
        foreach (var (i, column) in columns.Index())
        {
            var made = new TableColumn(new Markup($"[bold]{column.Title.EscapeMarkup()}[/]")).PadLeft(i == 0 ? indent : 0).PadRight(gap);
            if (!column.Wraps) made.NoWrap();
            _table.AddColumn(column.IsRight ? made.RightAligned() : made.LeftAligned());
        }

        if (columns.All(c => c.Title.Length == 0)) _table.HideHeaders();
    }

    /// <summary>Adds a row; a cell may have several lines.</summary>
    public TextTable Add(params IEnumerable<string> cells) => Add([.. cells.Select(cell => (IRenderable)new Text(cell))]);

    /// <summary>Adds a row of cells that have colours.</summary>
    public TextTable Add(IReadOnlyList<IRenderable> cells)
    {
        _table.AddRow(cells);
        return this;
    }

    /// <summary>What a console writes.</summary>
    public IRenderable Content => _table;
}
