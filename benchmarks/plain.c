/* A buddy allocator as plain as one can be written, to compare streams with on the machine at hand.
 *
 * 64 regions of equal size, one list for each order and region, the lowest region first; stacks of
 * orders 0 to 3 in front. No migratetypes, kernel generations, watermarks, counters of pagesets or checks but one:
 * a free reads the block's tag, for its order and to refuse what is not allocated. With UNCHECKED it
 * believes what it is told and knows nothing of a page that is allocated: a free and an allocation meet on a stack.
 */

#include <stdint.h>
#include <stdlib.h>

enum { NR_ORDERS = 11, NR_REGIONS = 64, NR_STACKED = 4, BATCH = 63, HIGH = 378, FREE = 128 };
enum { SLOT_AHEAD = 64, FRAME_AHEAD = 24 };

typedef struct { uint32_t next, prev; } link_t;
typedef struct { uint8_t op, order, migratetype, flags; uint32_t slot; } op_t;

typedef struct {
    link_t *links;                       /* one per frame; NR_REGIONS list heads of each order behind them */
    uint8_t *tags;                       /* order + 1, with FREE for the first frame of a free block */
    uint32_t nr_frames;
    uint32_t region_shift;
    uint64_t listed[NR_ORDERS];          /* bit r: there is a block in region r */
    uint32_t nr_free[NR_REGIONS];
    uint32_t height[NR_STACKED];
    uint32_t stacked;                    /* pages on stacks */
    uint32_t stacks[NR_STACKED][HIGH + 1];
} plain_t;

static inline uint32_t head_of(const plain_t *p, uint32_t order, uint32_t region)
{
    return p->nr_frames + order * NR_REGIONS + region;
}

static inline void put(plain_t *p, uint32_t idx, uint32_t order)
{
    uint32_t region = idx >> p->region_shift, head = head_of(p, order, region), next = p->links[head].next;

    p->links[idx] = (link_t){next, head};
    p->links[head].next = p->links[next].prev = idx;
    p->tags[idx] = FREE | (order + 1);
    p->listed[order] |= 1ull << region;
}

static inline void drop(plain_t *p, uint32_t idx, uint32_t order)
{
    link_t link = p->links[idx];

    p->links[link.prev].next = link.next;
    p->links[link.next].prev = link.prev;
    p->tags[idx] = 0;
    if (link.next == link.prev)
        p->listed[order] &= ~(1ull << (link.prev - head_of(p, order, 0)));
}

static inline int64_t take(plain_t *p, uint32_t order)
{
    uint32_t high = order, region, idx;

    while (high < NR_ORDERS && p->listed[high] == 0)
        high++;
    if (high == NR_ORDERS)
        return -12;
    region = __builtin_ctzll(p->listed[high]);
    idx = p->links[head_of(p, high, region)].next;
    drop(p, idx, high);
    p->nr_free[region] -= 1u << order;
    while (high > order) {
        high--;
        put(p, idx + (1u << high), high);
    }
    return idx;
}

static inline void give(plain_t *p, uint32_t idx, uint32_t order)
{
    p->nr_free[idx >> p->region_shift] += 1u << order;
    while (order < NR_ORDERS - 1) {
        uint32_t buddy = idx ^ (1u << order);

        if (p->tags[buddy] != (FREE | (order + 1)))
            break;
        drop(p, buddy, order);
        idx &= buddy;
        order++;
    }
    put(p, idx, order);
}

static inline int64_t alloc(plain_t *p, uint32_t order)
{
    int64_t idx;

    if (order < NR_STACKED) {
        if (p->height[order] == 0) {
            for (uint32_t i = 0; i < (uint32_t)BATCH >> order; i++) {
                idx = take(p, order);
                if (idx < 0)
                    break;
                p->stacks[order][p->height[order]++] = idx;
                p->stacked += 1u << order;
            }
            if (p->height[order] == 0)
                return -12;
        }
        idx = p->stacks[order][--p->height[order]];
        p->stacked -= 1u << order;
    } else {
        idx = take(p, order);
        if (idx < 0)
            return idx;
    }
#ifndef UNCHECKED
    p->tags[idx] = order + 1;
#endif
    return idx;
}

/* The largest first, of which there are few and which are seldom wanted. */
static void spill(plain_t *p)
{
    uint32_t order = NR_STACKED;

    while (order-- > 0)
        while (p->height[order] > 0 && p->stacked >= HIGH - BATCH) {
            give(p, p->stacks[order][--p->height[order]], order);
            p->stacked -= 1u << order;
        }
}

static inline int64_t release(plain_t *p, int64_t idx, uint32_t order)
{
#ifndef UNCHECKED
    uint8_t tag;

    if ((uint64_t)idx >= p->nr_frames)
        return -34;
    tag = p->tags[idx];
    if ((uint8_t)(tag - 1) >= NR_ORDERS)
        return -22;
    order = tag - 1;
    p->tags[idx] = 0;
#endif
    if (order >= NR_STACKED) {
        give(p, idx, order);
        return 0;
    }
    p->stacks[order][p->height[order]++] = idx;
    p->stacked += 1u << order;
    if (p->stacked >= HIGH)
        spill(p);
    return 0;
}

void plain_destroy(plain_t *p)
{
    free(p->links);
    free(p->tags);
    free(p);
}

/* No block yet; NULL if memory is short. */
plain_t *plain_create(uint32_t nr_frames)
{
    plain_t *p = calloc(1, sizeof *p);
    uint32_t i;

    if (p == NULL)
        return NULL;
    p->nr_frames = nr_frames;
    p->region_shift = __builtin_ctz(nr_frames / NR_REGIONS);
    p->links = calloc(nr_frames + NR_ORDERS * NR_REGIONS, sizeof *p->links);
    p->tags = calloc(nr_frames, 1);
    if (p->links == NULL || p->tags == NULL) {
        plain_destroy(p);
        return NULL;
    }
    for (i = nr_frames; i < nr_frames + NR_ORDERS * NR_REGIONS; i++)
        p->links[i] = (link_t){i, i};
    return p;
}

/* Make blocks free, or allocated. */
void plain_add(plain_t *p, const uint32_t *frames, const uint8_t *orders, const uint8_t *are_free, uint64_t nr)
{
    for (uint64_t i = 0; i < nr; i++)
        if (are_free[i])
            give(p, frames[i], orders[i]);
        else
            p->tags[frames[i]] = orders[i] + 1;
}

/* Execute nr operations, SLOT_AHEAD more of which stand behind the last one; return how many failed. */
int64_t plain_run(plain_t *p, const op_t *ops, uint64_t nr, int64_t *slots)
{
    int64_t result, nr_failed = 0;

    for (uint64_t i = 0; i < nr; i++) {
        __builtin_prefetch(&slots[ops[i + SLOT_AHEAD].slot]);
#ifndef UNCHECKED
        __builtin_prefetch(p->tags + slots[ops[i + FRAME_AHEAD].slot]);
#endif
        if (ops[i].op == 0)
            result = slots[ops[i].slot] = alloc(p, ops[i].order);
        else
            result = release(p, slots[ops[i].slot], ops[i].order);
        nr_failed += result < 0;
    }
    return nr_failed;
}
